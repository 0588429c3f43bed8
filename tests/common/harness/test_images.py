"""Pictures: which formats are read, how large they may be, what becomes of transparency and depth."""

import io

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageOps

from common.harness import images
from common.harness.images import open_picture
from common.harness.reading import InputError
from tests.stress import bombs

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 7), "uint8")


@pytest.mark.parametrize("kind", images.FORMATS)
def test_formats_whatever_they_are_called(tmp_path, kind):
    Image.fromarray(GREY).save(tmp_path / "x.png", kind)
    found = np.asarray(open_picture(tmp_path / "x.png").convert("L")).astype(int)
    assert abs(found - GREY).mean() < (20 if kind in ("JPEG", "WEBP") else 1e-9)


@pytest.mark.parametrize("kind", ["EPS", "PDF", "PPM", "TGA", "ICO"])
def test_other_formats_are_no_pictures(tmp_path, kind):
    Image.fromarray(GREY).save(tmp_path / "x.png", kind)
    with pytest.raises(InputError, match=r"x.png should be a picture \(PNG, JPEG, .*\), but is none"):
        open_picture(tmp_path / "x.png")


def test_nothing_is_started_for_postscript(tmp_path, monkeypatch):
    def start(*_, **__):
        raise AssertionError("Ghostscript is asked")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)
    path = bombs.postscript(tmp_path)
    with pytest.raises(AssertionError, match="Ghostscript"), Image.open(path) as image:
        image.load()
    with pytest.raises(InputError, match="but is none"):
        open_picture(path)


def test_pictures_of_too_many_pixels_are_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "PIXELS", 62)
    Image.fromarray(GREY).save(tmp_path / "x.png")
    message = "at most 62 pixels. Received: 7 × 9"
    with monkeypatch.context() as patched, pytest.raises(InputError, match=message):
        patched.setattr(Image.Image, "load", None)
        open_picture(tmp_path / "x.png")
    monkeypatch.setattr(images, "PIXELS", 63)
    assert open_picture(tmp_path / "x.png").size == (7, 9)


@pytest.mark.parametrize("array", [
    GREY.astype("uint16") * 200, GREY.astype("int32") * 7 - 100, GREY.astype("float32") / 300,
], ids=["16 bits", "32 bits", "floats"])
def test_depth(tmp_path, array):
    Image.fromarray(array).save(tmp_path / "x.tif")
    expected = np.maximum(array.astype("float64"), 0)
    found = np.asarray(open_picture(tmp_path / "x.tif"))
    assert found.max() == 255 and abs(found - expected * (255 / expected.max())).max() <= 0.501


@pytest.mark.parametrize("ink, paper", [(30, 255), (200, 0)])
def test_transparency(tmp_path, ink, paper):
    rgba = np.zeros((9, 7, 4), "uint8")
    rgba[2:5, 2:5] = ink, ink, ink, 255
    rgba[6, 6] = 255 - ink, 0, 0, 10                     # hardly to be seen: counts little
    buffer = io.BytesIO()
    for mode in ("RGBA", "LA"):
        Image.fromarray(rgba).convert(mode).save(buffer, "PNG")
        (tmp_path / "x.png").write_bytes(buffer.getvalue())
        shown = open_picture(tmp_path / "x.png")
        assert shown.mode == mode[:-1]
        found = np.asarray(shown.convert("L"))
        assert found[0, 0] == paper and found[3, 3] == ink
        buffer.seek(0)


def test_a_photograph_that_lies_on_its_side(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6                                     # to be turned by 90 degrees
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=exif)
    assert (np.asarray(open_picture(tmp_path / "x.png")) == np.rot90(GREY, -1)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))       # 0 and 9 are none
def test_photographs_stand_upright_as_pillow_turns_them(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    path = tmp_path / "x.jpg"
    Image.fromarray(RNG.integers(0, 256, (9, 7, 3), "uint8")).save(path, kind, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert expected.shape == ((7, 9, 3) if 5 <= orientation <= 8 else (9, 7, 3))
    assert (np.asarray(open_picture(path)) == expected).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("field, damage", [
    (0x010F, {3: 5, 7: 1}),                              # the maker's name is a fraction
    (0x011A, {3: 1}),                                    # the resolution is text
    (0x011A, {0: 0x01, 1: 0x0A}),                        # the resolution stands where a whole number should
])
def test_pictures_with_a_damaged_field_of_exif_are_turned_all_the_same(tmp_path, kind, field, damage):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "Maker", 72.0
    raw = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    start = raw.index(field.to_bytes(2, "big"), 10)
    for place, byte in damage.items():
        raw[start + place] = byte
    path = tmp_path / "x.jpg"
    Image.new("L", (7, 9)).save(path, kind, exif=b"Exif\0\0" + raw)
    with Image.open(path) as image, pytest.raises(Exception):                     # noqa: B017
        ImageOps.exif_transpose(image)
    assert open_picture(path).size == (9, 7)


def test_exif_that_cannot_be_read_is_none(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "x.png", exif=b"Exif\0\0no TIFF")
    assert (np.asarray(open_picture(tmp_path / "x.png")) == GREY).all()


def test_a_tiff_that_says_in_words_where_its_pixels_are(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "TIFF")
    raw = bytearray(buffer.getvalue())
    raw[raw.index(b"\x11\x01", 8) + 2] = 2                # StripOffsets: from a number to text
    (tmp_path / "x.tif").write_bytes(raw)
    with pytest.raises(InputError, match="x.tif should be a picture, but cannot be read as one: .*'str'"):
        open_picture(tmp_path / "x.tif")


def test_a_folder_of_tiffs(tmp_path):
    from common.harness.datasets import load_images

    for i in range(10):
        Image.fromarray(RNG.integers(0, 256, (28, 28), "uint8")).save(tmp_path / f"{i}.tif")
    assert load_images(str(tmp_path)).x_train.shape == (9, 28, 28)
