"""Downloading, against a server on loopback that misbehaves in every way a server can."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
from tiny_mnist import NAMES, write_tiny_mnist

from minirmae.data import FetchError, fetch, open_dataset
from minirmae.data.published import PUBLISHED

module = import_module("minirmae.data.fetch")


@dataclass
class Server:
    """What the server holds and how it behaves; a transfer for each entry of `cuts` breaks off after so many bytes."""

    files: dict[str, bytes]
    address: str = ""
    ranges: bool = True
    announces: bool = True
    cuts: list[int] = field(default_factory=list)
    status: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(PUBLISHED, "mnist", write_tiny_mnist(tmp_path / "original"))
    state = Server({name: (tmp_path / "original" / name).read_bytes() for name in NAMES})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.rpartition("/")[2], self.headers["Range"]
            state.requests.append((name, wanted))
            status = state.status.get(name, 200 if name in state.files else 404)
            content = state.files.get(name, b"")
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if status == 200 and start >= len(content) > 0:
                status = 416
            if status != 200:
                self.send_error(status)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if state.announces:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:][: state.cuts.pop(0) if state.cuts else None])

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.address = f"http://127.0.0.1:{http.server_address[1]}/mnist/"
        yield state
        http.shutdown()
        thread.join()


def nobody() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


def arrived(server: Server, directory: Path) -> bool:
    """Whether exactly the four files are there, byte for byte."""
    return {path.name: path.read_bytes() for path in directory.iterdir()} == {n: server.files[n] for n in NAMES}


def test_the_four_files_arrive_and_open(server, tmp_path):
    seen = []
    target = fetch("mnist", tmp_path / "a" / "b", mirrors=[server.address], progress=lambda *now: seen.append(now))
    assert target == tmp_path / "a" / "b"
    assert arrived(server, target)
    size = len(server.files[NAMES[0]])
    assert (NAMES[0], size, size) in seen
    assert [name for name, _ in server.requests] == list(NAMES)
    assert len(open_dataset(str(target), "evaluation")) == 4


def test_the_published_mirrors_are_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], mirrors=(server.address,)))
    assert arrived(server, fetch("mnist", tmp_path / "out"))


def test_files_that_are_there_are_not_fetched_again(server, tmp_path):
    fetch("mnist", tmp_path / "out", mirrors=[server.address])
    server.requests.clear()
    (tmp_path / "out" / NAMES[1]).unlink()
    fetch("mnist", tmp_path / "out", mirrors=[server.address])
    assert server.requests == [(NAMES[1], None)]


def test_a_different_file_is_never_overwritten(server, tmp_path):
    (tmp_path / NAMES[2]).write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="is not the published mnist file; move it away"):
        fetch("mnist", tmp_path, mirrors=[server.address])
    assert (tmp_path / NAMES[2]).read_bytes() == b"mine"


def test_an_interrupted_transfer_is_resumed_where_it_broke_off(server, tmp_path):
    server.cuts = [700, 300]
    assert arrived(server, fetch("mnist", tmp_path / "out", mirrors=[server.address]))
    assert server.requests[:3] == [(NAMES[0], None), (NAMES[0], "bytes=700-"), (NAMES[0], "bytes=1000-")]


def test_an_interrupted_transfer_of_unknown_length_is_a_wrong_file(server, tmp_path):
    server.announces = False
    assert arrived(server, fetch("mnist", tmp_path / "whole", mirrors=[server.address]))
    server.cuts = [700]
    with pytest.raises(FetchError, match="the bytes received do not have the published SHA-256"):
        fetch("mnist", tmp_path / "out", mirrors=[server.address])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges, server.cuts = False, [700]
    assert arrived(server, fetch("mnist", tmp_path / "out", mirrors=[server.address]))
    assert server.requests[:3] == [(NAMES[0], None), (NAMES[0], "bytes=700-"), (NAMES[1], None)]


def test_a_later_call_goes_on_with_what_an_earlier_one_received(server, tmp_path):
    server.cuts = [100] * module.ATTEMPTS
    with pytest.raises(FetchError, match=r"broke off after 500 of \d+ bytes(.|\n)*500 bytes received are kept"):
        fetch("mnist", tmp_path / "out", mirrors=[server.address])
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{NAMES[0]}.part"]
    server.requests.clear()
    assert arrived(server, fetch("mnist", tmp_path / "out", mirrors=[server.address]))
    assert server.requests[0] == (NAMES[0], "bytes=500-")


def test_a_complete_partial_file_needs_no_network(server, tmp_path):
    for name in NAMES:
        (tmp_path / f"{name}.part").write_bytes(server.files[name])
    fetch("mnist", tmp_path, mirrors=[nobody()])
    assert all((tmp_path / name).read_bytes() == server.files[name] for name in NAMES)


@pytest.mark.parametrize("left", [bytes(50), bytes(100_000)], ids=["shorter", "longer"])
def test_a_partial_file_of_something_else_is_discarded(server, tmp_path, left):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{NAMES[0]}.part").write_bytes(left)
    assert arrived(server, fetch("mnist", tmp_path / "out", mirrors=[server.address]))
    assert server.requests[:2] == [(NAMES[0], f"bytes={len(left)}-"), (NAMES[0], None)]


def test_a_wrong_file_is_refused_and_removed(server, tmp_path):
    genuine = server.files[NAMES[3]]
    server.files[NAMES[3]] = genuine[:-9] + bytes(9)
    with pytest.raises(FetchError, match=f"{NAMES[3]} could not be downloaded(.|\n)*published SHA-256"):
        fetch("mnist", tmp_path / "out", mirrors=[server.address])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES[:3])


def test_the_next_mirror_is_tried(server, tmp_path):
    mirrors = [nobody(), server.address.replace("mnist", "gone"), server.address]
    assert arrived(server, fetch("mnist", tmp_path / "out", mirrors=mirrors))


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_refusal_is_reported_and_nothing_is_left(server, tmp_path, status):
    server.status[NAMES[0]] = status
    with pytest.raises(FetchError, match=f"{server.address}{NAMES[0]}: HTTP {status}"):
        fetch("mnist", tmp_path / "out", mirrors=[server.address])
    assert not (tmp_path / "out").exists()
    assert len(server.requests) == 1


def test_without_a_network_the_error_lists_what_was_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    mirrors = [f"{nobody()}a", f"{nobody()}b"]
    with pytest.raises(FetchError) as caught:
        fetch("mnist", tmp_path / "out", mirrors=mirrors)
    message = str(caught.value)
    for part in (*(f"{mirror}/{NAMES[0]}: " for mirror in mirrors), "refused", "by hand", str(tmp_path)):
        assert part in message
    assert not (tmp_path / "out").exists()


def test_a_server_that_falls_silent_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(FetchError, match="timed out"):
            fetch("mnist", tmp_path / "out", mirrors=[mirror], timeout=0.1)


def test_an_endless_file_is_refused(server, tmp_path):
    server.files[NAMES[0]] = bytes(4 << 20)
    received = []
    with pytest.raises(FetchError, match=r"sends more than \d+ bytes"):
        fetch("mnist", tmp_path / "out", mirrors=[server.address], progress=lambda name, have, _: received.append(have))
    assert max(received) < 2 << 20
    assert list((tmp_path / "out").iterdir()) == []


def test_a_target_that_cannot_be_written_is_not_blamed_on_the_mirror(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file") as caught:
        fetch("mnist", tmp_path / "file", mirrors=[server.address])
    assert not isinstance(caught.value, FetchError)


@pytest.mark.parametrize("mirror", ["file:///etc/", "ftp://127.0.0.1/", "127.0.0.1"])
def test_only_http_is_spoken(tmp_path, mirror):
    with pytest.raises(ValueError, match="must start with http:// or https://"):
        fetch("mnist", tmp_path, mirrors=[mirror])


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name must be one of mnist, fashion-mnist"):
        fetch("cifar", tmp_path)
    with pytest.raises(ValueError, match="mirrors is empty"):
        fetch("mnist", tmp_path, mirrors=[])
