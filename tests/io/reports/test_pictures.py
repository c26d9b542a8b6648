"""The pages as they look, held against small stored pictures.

A picture is a tenth of its page in size, so that it shows the layout and no single letter; it is
taken in one typeface that most machines have. Pictures are compared tile by tile: a table that
lost its bars is far off in its own tiles and hardly in the whole page. Written anew by
EQUIMARGINAL_WRITE_GOLDEN=1.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

GOLDEN = Path(__file__).parents[2] / "golden" / "pictures"
SHRINK = 10
TILE = 8  # points of a small picture a side
TOLERANCE = 9.0  # of 255, mean difference of the worst tile: letters drawn otherwise stay below it
TYPEFACE = "DejaVu Sans"
WAYS = {
    "desktop": (1280, {"color_scheme": "light"}),
    "phone": (390, {"color_scheme": "light"}),
    "dark": (1280, {"color_scheme": "dark"}),
    "print": (718, {"media": "print"}),
}
NAMES = ["plan", "fallback", "caps", "index", "rotation", "offers", "cadence"]

_DIFFER = """async ([one, two, side]) => {
  const points = async (data) => {
    const image = new Image();
    image.src = "data:image/png;base64," + data;  // or jpeg: the bytes say so
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    return [image.width, image.height, canvas.getImageData(0, 0, image.width, image.height).data];
  };
  const [wide, tall, a] = await points(one), [w, t, b] = await points(two);
  if (wide !== w || Math.abs(tall - t) > 1) return 255;
  let worst = 0;
  for (let top = 0; top < Math.min(tall, t); top += side)
    for (let left = 0; left < wide; left += side) {
      let sum = 0, count = 0;
      for (let y = top; y < Math.min(top + side, tall, t); y++)
        for (let x = left; x < Math.min(left + side, wide); x++)
          for (let k = 0; k < 3; k++, count++)
            sum += Math.abs(a[4 * (y * wide + x) + k] - b[4 * (y * wide + x) + k]);
      if (count > side * side) worst = Math.max(worst, sum / count);
    }
  return worst;
}"""
_SHRINK = """async ([data, by]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + data;  // or jpeg: the bytes say so
  await image.decode();
  const wide = Math.round(image.width / by), tall = Math.round(image.height / by);
  const canvas = new OffscreenCanvas(wide, tall), pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, wide, tall);
  const points = pen.getImageData(0, 0, wide, tall);
  points.data.forEach((value, i) => points.data[i] = i % 4 === 3 ? 255 : 8 * Math.round(value / 8));
  pen.putImageData(points, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


@pytest.fixture(scope="module")
def darkroom(browser: Any) -> Any:
    """An empty page in which pictures are shrunk and compared."""
    page = browser.new_page()
    page.goto("about:blank")
    wide = page.evaluate(
        "face => { const pen = new OffscreenCanvas(9, 9).getContext('2d');"
        "pen.font = `100px '${face}', monospace`; return pen.measureText('illi').width; }",
        TYPEFACE,
    )
    if not 108 < wide < 114:  # of the fallback it is 241
        pytest.skip(f"needs the typeface {TYPEFACE}: apt-get install fonts-dejavu-core")
    yield page
    page.close()


def picture(browser: Any, darkroom: Any, path: Path, way: str, *, style: str = "") -> str:
    """Return a page's small picture as base64, with a further style where one is given."""
    width, media = WAYS[way]
    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.emulate_media(**media)
    page.goto(path.as_uri())
    page.add_style_tag(content=f":root {{ --sans: '{TYPEFACE}'; }} {style}")
    taken = page.screenshot(full_page=True, type="jpeg", quality=95)
    context.close()
    data = base64.b64encode(taken).decode()
    return str(darkroom.evaluate(_SHRINK, [data, SHRINK]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_page_looks_like_its_stored_picture(browser, darkroom, folder, name, way):
    taken = picture(browser, darkroom, folder / f"{name}.html", way)
    stored = GOLDEN / f"{name}-{way}.png"
    if os.environ.get("EQUIMARGINAL_WRITE_GOLDEN"):
        stored.parent.mkdir(exist_ok=True)
        stored.write_bytes(base64.b64decode(taken))
    known = base64.b64encode(stored.read_bytes()).decode()
    assert darkroom.evaluate(_DIFFER, [known, taken, TILE]) <= TOLERANCE


@pytest.mark.parametrize(
    "broken",
    [
        ".decision { display: block; }",  # the way to sign falls below the picture of the money
        ".flow svg { display: none; }",
        "section { grid-template-columns: minmax(0, 1fr); }",
        ".moves .why { display: none; }",
        "body { max-width: 900px; }",
        ".curve .band { display: none; }",
    ],
)
def test_a_broken_layout_does_not(browser, darkroom, folder, broken):
    taken = picture(browser, darkroom, folder / "plan.html", "desktop", style=broken)
    known = base64.b64encode((GOLDEN / "plan-desktop.png").read_bytes()).decode()
    assert darkroom.evaluate(_DIFFER, [known, taken, TILE]) > 1.5 * TOLERANCE


def test_letters_drawn_a_little_otherwise_do_not_matter(browser, darkroom, folder):
    soft = "* { -webkit-text-stroke: 0.12px currentColor; }"
    taken = picture(browser, darkroom, folder / "plan.html", "desktop", style=soft)
    known = base64.b64encode((GOLDEN / "plan-desktop.png").read_bytes()).decode()
    assert darkroom.evaluate(_DIFFER, [known, taken, TILE]) <= TOLERANCE
