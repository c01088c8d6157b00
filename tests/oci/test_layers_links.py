"""Symbolic links of layers: with the root as `/` they mean what the layer says, and to the kernel they never lead out of it.

Expected is what containerd and runc resolve, link by link, with the image's root as `/` (path_resolution(7)).
"""

import os
from pathlib import Path

import pytest

from tests.oci.test_layers_hostile import entry, folder, hardlink, symlink, tar, tree, unpack, untouched
from wherry.errors import FormatError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    return root


def inside(root: Path) -> dict[str, str]:
    """Every link, and where the kernel leads by it: below the root, always."""
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            real = Path(os.path.realpath(path))
            assert real.is_relative_to(root), f"{path} -> {path.readlink()}"
            found[str(path.relative_to(root))] = str(real.relative_to(root))
    return found


def test_a_link_below_a_link_to_the_root_stays_inside(root: Path) -> None:
    """By its name it lies fourteen folders deep, and really in the root, whose `..` is itself."""
    deep = "a/b/c/d/e/f/g/h/i/j/k/l/m/n"
    outside = str(root.parent / "outside")
    unpack(root, tar(symlink(f"{deep}/l", "/"), symlink(f"{deep}/l/x", "../" * 15 + outside[1:]), folder("tmp")))
    assert inside(root)["x"] == outside[1:]
    assert not (root / "x").exists()
    untouched(root)


@pytest.mark.parametrize(
    "links",
    [
        [("up", ".."), ("a/b", "../up/up/outside")],
        [("a/up", "../.."), ("x", "a/up/outside"), ("y", "a/up/../../outside")],
        [("a/one", "/"), ("a/two", "one/../../outside"), ("three", "a/two/secret")],
        [("a/b/c/l", "/a"), ("a/b/c/l/m", "../../../outside")],
        [("l", "/a/b"), ("a/b/m", "../.."), ("x", "l/m/../outside")],
        [("x", "later/../outside"), ("later", "/")],  # what it leads through comes after it
        [("x", "later/../../outside"), ("d/e/f", ".."), ("later", "d/e/f")],
        [("x", "x/../../outside")],
        [("x", "y/../../outside"), ("y", "x/../../outside")],
    ],
    ids=range(9),
)
def test_chains_of_links_stay_inside(root: Path, links: list[tuple[str, str]]) -> None:
    for order in (links, list(reversed(links))):
        unpack(root, tar(folder("a/b/c"), *(symlink(name, target) for name, target in order)))
        inside(root)
        untouched(root)


def test_links_of_several_layers_stay_inside(root: Path) -> None:
    """Each layer replaces folders that a link of the one before leads through."""
    unpack(root, tar(folder("a/b"), symlink("x", "a/b/../../outside"), symlink("a/y", "../a/b/../outside")))
    inside(root)
    unpack(root, tar(symlink("a/b", "/"), symlink("c", "a/b/..")))
    inside(root)
    unpack(root, tar(symlink("a", "/"), symlink("a/z", "../../outside")))
    assert "z" in inside(root)
    untouched(root)


def test_a_link_means_what_it_says_where_its_target_comes_later(root: Path) -> None:
    unpack(root, tar(symlink("bin/sh", "/opt/tool"), symlink("lib/l", "../opt/tool"), symlink("via", "l/../opt/tool")))
    unpack(root, tar(entry("opt/tool", b"tool")))
    assert inside(root) == {"bin/sh": "opt/tool", "lib/l": "opt/tool", "via": "opt/tool"}
    assert (root / "bin/sh").read_text() == "tool"


def test_dots_after_a_link_mean_the_folder_that_it_leads_to(root: Path) -> None:
    """`a/../b` is not `b` where `a` is a link: path_resolution(7). The order of entries does not matter."""
    for order in (0, 1):
        links = [symlink("x", "a/../b"), symlink("a", "/deep/er")]
        links = links if order else links[::-1]
        unpack(root, tar(*links, entry("deep/b", b"right"), folder("deep/er"), entry("b", b"wrong")))
        assert (root / "x").read_text() == "right"


def test_a_hard_link_to_a_link_is_that_link_again(root: Path) -> None:
    """containerd links the link itself: the same words, read from where the new name lies."""
    unpack(
        root,
        tar(
            entry("etc/x", b"absolute"),
            entry("lib/b", b"near"),
            entry("b", b"roots"),
            symlink("lib/a", "b"),
            symlink("lib/deep/er/abs", "/etc/x"),
            hardlink("lib/same", "lib/a"),
            hardlink("other", "lib/a"),
            hardlink("abs", "lib/deep/er/abs"),
            hardlink("again", "abs"),
        ),
    )
    contents = {name: (root / name).read_text() for name in ("lib/same", "other", "abs", "again")}
    assert contents == {"lib/same": "near", "other": "roots", "abs": "absolute", "again": "absolute"}
    inside(root)


def test_a_hard_link_to_a_link_out_of_the_root_stays_inside(root: Path) -> None:
    outside = str(root.parent / "outside/secret")
    unpack(
        root, tar(symlink("a/b/link", "../../" + "x"), symlink("out", outside), hardlink("l", "a/b/link"), hardlink("m", "out"))
    )
    unpack(root, tar(hardlink("from-below", "a/b/link")))
    assert inside(root) == {"a/b/link": "x", "l": "x", "out": outside[1:], "m": outside[1:], "from-below": "x"}
    untouched(root)


def test_whiteouts_through_links_remove_what_is_inside(root: Path) -> None:
    unpack(root, tar(entry("real/x", b"1"), entry("real/y", b"1"), symlink("l", "/real"), symlink("m", "../../outside")))
    unpack(root, tar(entry("l/.wh.x"), entry("m/.wh.secret"), entry("m/.wh..wh..opq")))
    assert tree(root)["real/y"] == "1" and "real/x" not in tree(root)
    untouched(root)
    unpack(root, tar(entry("l/.wh..wh..opq"), entry("l/own", b"2")))
    assert {name for name in tree(root) if name.startswith("real/")} == {"real/own"}


def test_a_replaced_link_is_forgotten(root: Path) -> None:
    unpack(root, tar(symlink("d/x", "a/../b"), entry("d/x", b"file"), symlink("e/x", "a/../b"), entry("e", b"file")))
    assert tree(root) == {"d": "/", "d/x": "file", "e": "file"}
    with pytest.raises(FormatError, match="a folder"):
        unpack(root, tar(hardlink("y", "d/x/z")))
