"""The scripts of the page that draw, run by Node where it is installed."""

import json
import shutil
import subprocess

import pytest

from seamwise_web.application import FILES

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node")


def compute(name, script):
    """Run a script in which `page` is a module of the page; returns what it gives back."""
    module = json.dumps((FILES / name).read_text())
    text = (
        f"const url = 'data:text/javascript,' + encodeURIComponent({module});"
        f"const page = await import(url);"
        f"const result = await (async () => {{ {script} }})();"
        "console.log(JSON.stringify(result));"
    )
    command = [NODE, "--input-type=module"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_low_is_black_and_high_is_white():
    assert compute("paint.js", "return [...page.greys(8, 100, 200)].slice(98, 202)") == [
        round(min(max(255 * (value - 100) / 100, 0), 255)) for value in range(98, 202)
    ]


def test_each_pixel_of_the_screen_has_a_place_in_the_image():
    script = "return [...page.places(8, -1, 2, 3)]"
    assert compute("paint.js", script) == [-1, -1, 0, 0, 1, 1, 2, 2]


def test_outlines_are_inside_of_the_cells_and_the_chosen_one_is_white():
    script = """
        const labels = new Uint16Array([
            0, 0, 0, 0, 0, 0, 0,
            0, 1, 1, 1, 2, 2, 2,
            0, 1, 1, 1, 2, 2, 2,
            0, 1, 1, 1, 2, 2, 2,
            0, 0, 0, 0, 0, 0, 0,
        ]);
        const target = new Uint32Array(35);
        const columns = page.places(7, 0, 1, 7), rows = page.places(5, 0, 1, 5);
        page.paintOutlines(target, labels, 7, columns, rows, 1, page.inksOf(2, [2]));
        return [...target].map((colour) => colour === 0 ? '.' : colour === 0xffffffff ? 'w'
            : (colour >>> 24) === 255 ? 'o' : 'v').join('');
    """
    expected = (
        ".......",
        ".ooowww",
        ".o.owvv",  # the edge of the screen is not an edge of the cell
        ".ooowww",
        ".......",
    )
    assert compute("paint.js", script) == "".join(expected)


def test_cells_with_huge_numbers_have_the_colours_of_small_ones():
    script = """
        const columns = page.places(3, 0, 1, 3), rows = page.places(1, 0, 1, 1);
        const paint = (labels, inks) => {
            const target = new Uint32Array(3);
            page.paintOutlines(target, Uint32Array.from(labels), 3, columns, rows, 1, inks);
            return [...target];
        };
        return [
            paint([0, 4000000001, 2], page.PLAIN_INKS),
            paint([0, 4000000001 % 6, 2], page.inksOf(5)),
        ];
    """
    huge, small = compute("paint.js", script)
    assert huge == small
    assert huge[0] == 0 < huge[1] != huge[2]


def test_while_one_question_runs_only_the_latest_one_waits():
    script = """
        const asked = [];
        const ask = page.latest(async (value) => {
            asked.push(value);
            await new Promise((resolve) => setTimeout(resolve, 5));
        });
        for (const value of [1, 2, 3, 4]) ask(value);
        await new Promise((resolve) => setTimeout(resolve, 60));
        return asked;
    """
    assert compute("sliders.js", script) == [1, 4]
