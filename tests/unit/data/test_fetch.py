"""Downloads from a server on this machine that breaks off, changes its mind, lies and refuses."""

import errno
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hyena_glt.data import fetch as module
from hyena_glt.data.fetch import fetch, fetch_file
from hyena_glt.data.public_sets import PublicSet, RemoteFile
from hyena_glt.errors import ConfigError, DataError, OutputError

CONTENT = bytes(range(256)) * 4000  # a little over one megabyte, four blocks


class Server(ThreadingHTTPServer):
    """What it serves, how it misbehaves, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/data.bin": CONTENT}
        self.etag = '"v1"'
        self.breaks = []  # after so many bytes of the next answers
        self.errors = []  # status of the next answers
        self.ranges = True
        self.lengths = True
        self.asked = []

    def url(self, path="/data.bin"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        server = self.server
        span, condition = self.headers.get("Range"), self.headers.get("If-Range")
        server.asked.append((self.path, span))
        if server.errors:
            self.send_error(server.errors.pop(0))
            return
        if self.path == "/moved/data.bin":
            self.send_response(302)
            self.send_header("Location", server.url())
            self.end_headers()
            return
        body = server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        if span and server.ranges and condition in (None, server.etag):
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        rest = body[start:]
        self.wfile.write(rest[: server.breaks.pop(0)] if server.breaks else rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    one = Server()
    thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one
    one.shutdown()
    thread.join()
    one.server_close()


def get(server, folder, path="/data.bin", **options):
    (result,) = fetch(server.url(path), folder, wait=0.0, **options)
    return result


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_and_its_checksum(server, tmp_path):
    told = []
    result = get(server, tmp_path / "new", on_progress=lambda *now: told.append(now))
    assert result.path.read_bytes() == CONTENT
    assert (result.new, result.size) == (True, len(CONTENT))
    assert result.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert told[-1] == ("data.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert names(tmp_path / "new") == ["data.bin", "data.bin.sha256"]
    assert (tmp_path / "new/data.bin.sha256").read_text() == f"{result.sha256}  data.bin\n"


def test_a_second_run_downloads_nothing_and_verifies(server, tmp_path):
    first = get(server, tmp_path)
    server.asked.clear()
    again = get(server, tmp_path)
    assert (again.new, again.sha256, server.asked) == (False, first.sha256, [])
    first.path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"data\.bin: the file has changed since it was fetched"):
        get(server, tmp_path)
    assert get(server, tmp_path, overwrite=True).new
    assert first.path.read_bytes() == CONTENT


def test_cut_connections_are_resumed_where_they_broke(server, tmp_path):
    server.breaks = [300_000, 1, 500_000]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert [span for _, span in server.asked] == [
        None, "bytes=300000-", "bytes=300001-", "bytes=800001-",
    ]  # fmt: skip


def test_redirected_downloads_are_resumed_too(server, tmp_path):
    server.breaks = [300_000]
    assert get(server, tmp_path, "/moved/data.bin").path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/data.bin", "bytes=300000-")


def test_a_later_run_goes_on_from_the_part(server, tmp_path):
    server.breaks = [400_000] + [0] * 10
    with pytest.raises(DataError, match=r"connection broke .*; 400,000 bytes are kept"):
        get(server, tmp_path)
    assert names(tmp_path) == ["data.bin.part", "data.bin.part.json"]
    server.breaks, server.asked = [], []
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert [span for _, span in server.asked] == ["bytes=400000-"]
    assert names(tmp_path) == ["data.bin", "data.bin.sha256"]


@pytest.mark.parametrize("conditional", [True, False])
def test_a_file_that_changed_on_the_server_is_fetched_from_its_start(
    server, tmp_path, conditional, monkeypatch
):
    server.breaks = [400_000] + [0] * 10
    with pytest.raises(DataError):
        get(server, tmp_path)
    server.breaks, server.etag = [], '"v2"'
    server.files["/data.bin"] = CONTENT[::-1]
    if not conditional:  # a server that does not know If-Range
        monkeypatch.setattr(module._Version, "validator", None)
    assert get(server, tmp_path).path.read_bytes() == CONTENT[::-1]


def test_a_file_that_became_shorter_is_fetched_from_its_start(server, tmp_path):
    server.etag = None
    server.breaks = [400_000] + [0] * 10
    with pytest.raises(DataError):
        get(server, tmp_path)
    server.breaks = []
    server.files["/data.bin"] = b"short"
    assert get(server, tmp_path).path.read_bytes() == b"short"


def test_servers_without_ranges_and_without_lengths(server, tmp_path):
    server.ranges = False
    server.breaks = [400_000]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    server.lengths = False
    server.files["/other.bin"] = b"x" * 700_000
    assert get(server, tmp_path, "/other.bin").path.read_bytes() == b"x" * 700_000


def test_an_empty_file_is_a_file(server, tmp_path):
    server.files["/empty"] = b""
    assert get(server, tmp_path, "/empty").size == 0


def test_a_part_of_another_address_is_not_gone_on_with(server, tmp_path):
    server.breaks = [400_000] + [0] * 10
    with pytest.raises(DataError):
        get(server, tmp_path)
    server.breaks = []
    server.files["/elsewhere/data.bin"] = b"other" * 200_000
    assert get(server, tmp_path, "/elsewhere/data.bin").path.read_bytes() == b"other" * 200_000


def test_a_wrong_checksum_is_not_accepted_and_the_file_kept_aside(server, tmp_path):
    with pytest.raises(DataError, match=f"SHA-256 is .*, {'0' * 64} was expected; .*rejected"):
        get(server, tmp_path, sha256="0" * 64)
    assert names(tmp_path) == ["data.bin.rejected"]
    assert (tmp_path / "data.bin.rejected").read_bytes() == CONTENT


def test_the_first_checksum_holds_for_later_downloads(server, tmp_path):
    get(server, tmp_path).path.unlink()
    server.files["/data.bin"] = CONTENT[::-1]
    with pytest.raises(DataError, match="not the file that was expected"):
        get(server, tmp_path)
    assert names(tmp_path) == ["data.bin.rejected", "data.bin.sha256"]


def test_published_md5_lists_are_compared(server, tmp_path):
    listing = f"{hashlib.md5(CONTENT).hexdigest()}  ./data.bin\n{'0' * 32}  ./wrong.bin\n"
    server.files |= {"/md5.txt": listing.encode(), "/wrong.bin": b"w", "/unlisted.bin": b"u"}

    def one(name):
        file = RemoteFile(name, server.url(f"/{name}"), md5_list=server.url("/md5.txt"))
        return fetch_file(file, tmp_path, wait=0.0)

    assert one("data.bin").checked == "MD5 of the source"
    assert one("unlisted.bin").checked == "length"
    with pytest.raises(DataError, match=f"MD5 is .*, {'0' * 32} was expected"):
        one("wrong.bin")


def test_a_missing_file_is_told_at_once(server, tmp_path):
    with pytest.raises(DataError, match=r"/nothing: there is no such file on the server \(404"):
        get(server, tmp_path, "/nothing")
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_server_with_a_bad_moment_is_asked_again(server, tmp_path):
    server.errors = [503, 500, 429]
    assert get(server, tmp_path).new
    server.errors = [503] * 20
    server.files["/other"] = b"x"
    with pytest.raises(DataError, match="the server answers 503"):
        get(server, tmp_path, "/other")


def test_no_network(tmp_path, server):
    address = server.url()
    server.server_close()
    with pytest.raises(DataError, match=r"cannot be reached .*; is there a network"):
        fetch(address, tmp_path, wait=0.0)


def test_a_full_disk(server, tmp_path, monkeypatch):
    real = Path.open

    class Full:
        def __init__(self, handle):
            self.handle = handle

        def write(self, block):
            if self.handle.tell() + len(block) > 600_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.handle.write(block)

        def __enter__(self):
            self.handle.__enter__()
            return self

        def __exit__(self, *error):
            return self.handle.__exit__(*error)

    def small_disk(path, mode="r", *rest, **options):
        handle = real(path, mode, *rest, **options)
        return Full(handle) if mode == "ab" else handle

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", small_disk)
        with pytest.raises(OutputError, match="the disk is full; what came so far is kept"):
            get(server, tmp_path)
    kept = (tmp_path / "data.bin.part").stat().st_size
    assert 0 < kept <= 600_000
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert server.asked[-1] == ("/data.bin", f"bytes={kept}-")


def test_somebody_elses_file_is_left_alone(server, tmp_path):
    (tmp_path / "data.bin").write_text("mine")
    with pytest.raises(OutputError, match="not fetched by this command"):
        get(server, tmp_path)
    assert (tmp_path / "data.bin").read_text() == "mine"
    assert get(server, tmp_path, sha256=hashlib.sha256(b"mine").hexdigest()).new is False


def test_a_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        get(server, tmp_path / "file")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://host/file", "https://"), ("file:///etc/passwd", "https://"),
        ("https://host/folder/", "no name of a file"), ("https://host/a%2F..", "no name"),
        ("no_such_set", "no public set"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(tmp_path, address, words):
    with pytest.raises(ConfigError, match=words):
        fetch(address, tmp_path)


def test_a_quoted_stroke_does_not_lead_out_of_the_folder(server, tmp_path):
    server.files["/a%2F..%2F..%2Fescaped"] = b"x"
    assert get(server, tmp_path / "in", "/a%2F..%2F..%2Fescaped").path == tmp_path / "in/escaped"


def test_a_set_gets_a_folder_of_its_own(server, tmp_path, monkeypatch):
    files = (RemoteFile("train.csv", server.url()), RemoteFile("test.csv", server.url()))
    monkeypatch.setattr(
        module, "find_set", lambda name: PublicSet(f"group/{name}", "made up", "nobody", files)
    )
    results = fetch("some", tmp_path, wait=0.0)
    assert [r.path.relative_to(tmp_path).as_posix() for r in results] == [
        "group/some/train.csv", "group/some/test.csv",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="goes with an address"):
        fetch("some", tmp_path, sha256="0" * 64)


def test_a_damaged_note_of_the_part_starts_again(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"half")
    for note in ("{", json.dumps({"url": server.url()})):
        (tmp_path / "data.bin.part.json").write_text(note)
        assert get(server, tmp_path, overwrite=False).path.read_bytes() == CONTENT
        (tmp_path / "data.bin").unlink()
        (tmp_path / "data.bin.part").write_bytes(b"half")
