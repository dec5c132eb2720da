"""Downloading MNIST and Fashion-MNIST, where there is a network.

Bytes go into a partial file beside the target. A transfer that breaks off is
resumed where it stopped, now or by a later call; only a file whose content has
the published checksum is renamed into place. The mirrors are tried in turn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from minirmae.data.published import PublishedFile, is_published, published_set

ATTEMPTS = 5
"""How often a transfer that breaks off is resumed before the next mirror is tried."""

_CHUNK = 1 << 16

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far and the total if the server said it."""


class FetchError(OSError):
    """No mirror could deliver a file; the message lists what was tried."""


class _BrokenOff(Exception):
    """A transfer that may go on where it stopped."""


class _Refused(Exception):
    """A mirror that cannot deliver the file."""


def fetch(
    name: str,
    directory: str | os.PathLike[str],
    *,
    mirrors: Sequence[str] | None = None,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> Path:
    """Download the four files of "mnist" or "fashion-mnist" into `directory` and return it.

    The directory is made when the first bytes arrive. Files that are already
    there and have the published content are kept. `mirrors` are addresses
    (http or https) below which the files lie; the default is the published
    ones. `timeout` in seconds bounds each wait for a server.

    Raises ValueError for an unknown name, no mirror or one that is not http(s);
    FileExistsError if a different file has the name of one to be fetched (it is
    never overwritten); `FetchError` (an OSError) if no mirror delivers; OSError
    if the directory cannot be written.
    """
    published = published_set("fetch", name)
    addresses = published.mirrors if mirrors is None else tuple(mirrors)
    if not addresses:
        raise ValueError("fetch: mirrors is empty; name at least one, or leave it out for the published ones")
    for address in addresses:
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"fetch: a mirror must start with http:// or https://, got {address!r}")
    target = Path(directory)
    for file in published.files:
        if is_published(file, target / file.name):
            continue
        if (target / file.name).exists():
            raise FileExistsError(
                f"{target / file.name} exists, but is not the published {name} file; "
                "move it away or fetch into another directory"
            )
        _fetch_file(file, target, addresses, timeout, progress)
    return target


def _fetch_file(
    file: PublishedFile, directory: Path, mirrors: Sequence[str], timeout: float, progress: Progress | None
) -> None:
    """Download one file from the first mirror that delivers it."""
    partial = directory / f"{file.name}.part"
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{file.name}"
        try:
            _complete(address, partial, file, timeout, progress)
        except _Refused as refusal:
            failures.append(f"  {address}: {refusal}")
            continue
        os.replace(partial, directory / file.name)
        return
    kept = f"\nThe {partial.stat().st_size} bytes received are kept for the next try." if partial.exists() else ""
    raise FetchError(
        f"{file.name} could not be downloaded. Tried:\n" + "\n".join(failures) + "\nCheck the network or name "
        f"another mirror; or put the file into {directory} by hand.{kept}"
    )


def _complete(address: str, partial: Path, file: PublishedFile, timeout: float, progress: Progress | None) -> None:
    """Bring `partial` to the published content, resuming as often as allowed; `_Refused` if this mirror cannot."""
    reason = ""
    for _ in range(ATTEMPTS):
        # A call that was killed may have left a partial file, even a complete one.
        resumed = partial.exists()
        if resumed and is_published(file, partial):
            return
        try:
            _transfer(address, partial, file, timeout, progress)
        except _BrokenOff as broken:
            reason = str(broken)
            continue
        if is_published(file, partial):
            return
        partial.unlink()
        reason = "the bytes received do not have the published SHA-256"
        # A partial file may have come from another mirror; a file received whole is simply wrong.
        if not resumed:
            break
    raise _Refused(reason)


def _transfer(address: str, partial: Path, file: PublishedFile, timeout: float, progress: Progress | None) -> None:
    """Add to `partial` what it lacks of the file at `address`; return when the server has sent all it announced."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    have = partial.stat().st_size if partial.exists() else 0
    request = Request(address, headers={"Accept-Encoding": "identity", "User-Agent": "minirmae"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urlopen(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            # The partial file is at least as long as the server's, and not the published one.
            partial.unlink()
            raise _BrokenOff("the server has no such range; the partial file was discarded") from error
        raise _Refused(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _Refused(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        appends = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not appends:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        # A compressed file is hardly ever longer than its content; nobody needs to wait for one that is.
        limit = file.content_bytes + (1 << 20)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "ab" if appends else "wb") as out:
            while True:
                try:
                    chunk = response.read(_CHUNK)
                except (OSError, HTTPException) as error:
                    raise _BrokenOff(f"broke off after {have} bytes ({error})") from error
                if not chunk:
                    break
                have += len(chunk)
                if have > limit:
                    break
                out.write(chunk)
                if progress is not None:
                    progress(file.name, have, total)
            out.flush()
            os.fsync(out.fileno())
    if have > limit:
        partial.unlink()
        raise _Refused(f"sends more than {limit} bytes, which the published file does not have")
    if total is not None and have < total:
        raise _BrokenOff(f"broke off after {have} of {total} bytes")
