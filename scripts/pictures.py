"""Copy pictures that documented commands have drawn into docs/images, small enough for a repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MAX_WIDTH = 1000
MAX_BYTES = 100_000


def collect(folder: Path) -> None:
    """Replace each picture of docs/images that exists in a folder."""
    for target in sorted(IMAGES.glob("*.png")):
        if (page := folder / f"{target.stem}.html").exists():
            _screenshot(page, folder / target.name)
        if (source := folder / target.name).exists():
            _shrink(source, target)
    for target in sorted(IMAGES.glob("*.gif")):
        if (source := folder / target.name).exists():
            shutil.copy(source, target)


def _shrink(source: Path, target: Path) -> None:
    from PIL import Image

    image = Image.open(source).convert("RGB")
    if image.width > MAX_WIDTH:
        height = round(image.height * MAX_WIDTH / image.width)
        image = image.resize((MAX_WIDTH, height), Image.Resampling.LANCZOS)
    for colours in (128, 64, 32, 16):
        image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size < MAX_BYTES:
            break


def _screenshot(page: Path, target: Path) -> None:
    """Photograph the top of an HTML page with Chromium ($CHROMIUM, or `chromium`), where it is installed."""
    if not (chromium := shutil.which(os.environ.get("CHROMIUM", "chromium"))):
        print(f"docs/images/{target.name} is left as it is: Chromium is not installed")
        return
    options = "--headless --no-sandbox --disable-gpu --no-first-run --hide-scrollbars --window-size=1100,1250"
    profile = f"--user-data-dir={page.parent / '.chromium'}"
    words = [chromium, *options.split(), profile, f"--screenshot={target}", page.as_uri()]
    subprocess.run(words, check=True, capture_output=True)
    _cut_empty_rows(target)


def _cut_empty_rows(target: Path) -> None:
    """Remove the rows of one colour below the content of a picture, but for a margin."""
    from PIL import Image, ImageChops

    image = Image.open(target).convert("RGB")
    corner = image.getpixel((0, image.height - 1))
    if box := ImageChops.difference(image, Image.new("RGB", image.size, corner)).getbbox():
        image.crop((0, 0, image.width, min(image.height, box[3] + 30))).save(target)
