"""A folder of images: cropped and resized as the paper does, read when asked, broken files named."""

from importlib import import_module

import numpy as np
import pytest

from minirmae.data import DataError, ImageFolder
from minirmae.data.folder import broken_images

image = pytest.importorskip("PIL.Image")
module = import_module("minirmae.data.folder")


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def fill(folder, count: int = 6, size: tuple[int, int] = (20, 20), suffix: str = "png") -> list[np.ndarray]:
    """Save `count` noise images, so that those of a folder sort in the order made."""
    pictures = [noise(*size, seed=i) for i in range(count)]
    for i, picture in enumerate(pictures):
        image.fromarray(picture).save(folder / f"{i:03d}.{suffix}")
    return pictures


def only(folder, **options) -> np.ndarray:
    """The first image of the folder as bytes; a copy beside it makes the split possible."""
    (path,) = folder.iterdir()
    path.with_name("z" + path.name).write_bytes(path.read_bytes())
    return (ImageFolder(folder, **options).batch([0], dtype=np.float64)[0] * 255).round().astype(np.uint8)


def test_the_two_splits_partition_the_folder_in_order_of_path(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "b", tmp_path / "a" / "deep"):
        fill(folder, 4)
    train = ImageFolder(tmp_path, size=8, evaluation_fraction=0.25)
    evaluation = ImageFolder(tmp_path, size=8, split="evaluation", evaluation_fraction=0.25)
    assert (len(train), len(evaluation)) == (9, 3)
    assert sorted(train.paths + evaluation.paths) == sorted(tmp_path.rglob("*.png"))
    assert train.paths == sorted(train.paths)
    assert (train.name, train.shape, train.labels) == (f"{tmp_path.name}/train", (8, 8, 3), None)


def test_batches_hold_the_images_asked_for(tmp_path):
    pictures = fill(tmp_path)
    data = ImageFolder(tmp_path, size=20)
    rows = [int(path.stem) for path in data.paths]
    batch = data.batch([3, 0])
    assert batch.dtype == np.float32
    assert np.array_equal(batch, np.stack([pictures[rows[3]], pictures[rows[0]]]) / np.float32(255))


def test_crop_and_resize_are_the_papers(tmp_path):
    picture = noise(218, 178)
    image.fromarray(picture).save(tmp_path / "celebrity.png")
    square = image.fromarray(picture[35:183, 15:163])
    expected = np.asarray(square.resize((64, 64), image.Resampling.BILINEAR))
    assert np.array_equal(only(tmp_path), expected)


@pytest.mark.parametrize(
    ("crop", "rows", "columns"), [(99, (0, 30), (10, 40)), (None, (0, 30), (10, 40)), (10, (10, 20), (20, 30))]
)
def test_images_smaller_than_the_crop_are_cut_to_their_largest_square(tmp_path, crop, rows, columns):
    picture = noise(30, 50)
    image.fromarray(picture).save(tmp_path / "wide.png")
    expected = picture[slice(*rows), slice(*columns)]
    assert np.array_equal(only(tmp_path, crop=crop, size=len(expected)), expected)


def test_grey(tmp_path):
    picture = noise(16, 16)
    image.fromarray(picture).save(tmp_path / "colour.png")
    grey = only(tmp_path, channels=1, size=16)
    assert grey.shape == (16, 16, 1)
    assert np.array_equal(grey[..., 0], np.asarray(image.fromarray(picture).convert("L")))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_8_bit_mode_becomes_colour(tmp_path, mode):
    picture = image.fromarray(noise(16, 16)).convert(mode)
    suffix = "jpg" if mode == "CMYK" else "png"
    picture.save(tmp_path / f"picture.{suffix}", **({"transparency": bytes(range(256))} if mode == "P" else {}))
    with image.open(tmp_path / f"picture.{suffix}") as saved:
        saved.info.pop("transparency", None)
        expected = np.asarray(saved.convert("RGB"))
    assert np.array_equal(only(tmp_path, size=16), expected)


def test_jpeg_is_read_and_its_rotation_applied(tmp_path):
    upright = np.zeros((16, 16, 3), dtype=np.uint8)
    upright[:8] = 255
    exif = image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    image.fromarray(np.rot90(upright)).save(tmp_path / "phone.JPG", format="JPEG", exif=exif, quality=100)
    shown = only(tmp_path, size=16)
    assert shown[:7].min() > 200
    assert shown[9:].max() < 50


def test_hidden_and_other_files_are_passed_over(tmp_path):
    fill(tmp_path, 3)
    (tmp_path / ".hidden").mkdir()
    fill(tmp_path / ".hidden", 2)
    (tmp_path / "._000.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert len(ImageFolder(tmp_path)) + len(ImageFolder(tmp_path, split="evaluation")) == 3


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no images; expected files ending in \.png, \.jpg, \.jpeg"):
        ImageFolder(tmp_path)


def test_what_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"):
        ImageFolder(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="nothing"):
        ImageFolder(tmp_path / "nothing")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(20)])
def test_a_file_that_is_no_image_is_named_on_opening(tmp_path, content):
    fill(tmp_path, 9)
    for path in tmp_path.iterdir():
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"00\d\.png: .*remove or replace it"):
        ImageFolder(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_image_is_named_when_read(tmp_path, suffix):
    fill(tmp_path, 8, (64, 64), suffix)
    data = ImageFolder(tmp_path)
    broken = data.paths[2]
    broken.write_bytes(broken.read_bytes()[:-500])
    data.batch([0, 1])
    with pytest.raises(DataError, match=f"{broken.name}: cannot be decoded"):
        data.batch([1, 2])


def test_an_image_that_vanished_is_named(tmp_path):
    fill(tmp_path)
    data = ImageFolder(tmp_path)
    data.paths[1].unlink()
    with pytest.raises(DataError, match=f"{data.paths[1].name}: cannot be decoded"):
        data.batch([1])


def test_every_broken_image_is_listed(tmp_path):
    fill(tmp_path, 9, (64, 64))
    assert list(broken_images(tmp_path)) == []
    for name, content in (("001", b""), ("004", b"not an image"), ("008", (tmp_path / "008.png").read_bytes()[:-900])):
        (tmp_path / f"{name}.png").write_bytes(content)
    named = [line.split(": ")[0] for line in broken_images(tmp_path)]
    assert named == [str(tmp_path / f"{name}.png") for name in ("001", "004", "008")]


def test_only_so_many_headers_are_read_on_opening(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "HEADERS_CHECKED", 2)
    fill(tmp_path)
    third = ImageFolder(tmp_path).paths[2]
    third.write_bytes(b"broken")
    assert len(ImageFolder(tmp_path)) == 5
    third.with_name("000.png").write_bytes(b"broken")
    third.with_name("001.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"00[01]\.png"):
        ImageFolder(tmp_path)


def test_sixteen_bit_images_are_refused_rather_than_clipped(tmp_path):
    for name in ("a.png", "b.png"):
        image.fromarray(np.full((8, 8), 1000, dtype=np.uint16)).save(tmp_path / name)
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        ImageFolder(tmp_path)


def test_an_image_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"cannot be decoded .*exceeds limit"):
        ImageFolder(tmp_path)


def test_without_pillow_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(ImportError, match=r"pip install 'minirmae\[plot\]'"):
        ImageFolder(tmp_path)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": 0}, "size must be an integer of at least 1"),
        ({"crop": 0}, "crop must be an integer of at least 1"),
        ({"channels": 4}, "channels must be one of 1, 3"),
        ({"split": "test"}, "split must be one of train, evaluation"),
    ],
)
def test_bad_options_are_refused(tmp_path, option, message):
    fill(tmp_path)
    with pytest.raises(ValueError, match=message):
        ImageFolder(tmp_path, **option)
