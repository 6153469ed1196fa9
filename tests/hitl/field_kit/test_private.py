"""Nothing in a kit tells whose PC it was."""

import pytest

from hitl.field_kit.private import GONE, Private
from hitl.home import Home

KEPT = [
    "Xbox Series X Controller",
    "NVIDIA GeForce RTX 4090 Laptop GPU",
    "13th Gen Intel(R) Core(TM) i7-13700K",
    "Intel64 Family 6 Model 151 Stepping 2, GenuineIntel",
    "10.0.22631",
    "2.13.0+cu126",
    "Thrustmaster T300RS Racing wheel",
    "PLAYSTATION(R)3 Controller",
    "Windows",
    "The virtual pad needs /dev/uinput, which this system does not have; load it with `sudo modprobe uinput`.",
    "no telemetry on port 9000: Connection refused",
]
TAKEN = {
    r"cannot open C:\Users\Jo Planted\AppData\store.sqlite": "Planted",
    r"\\planted-server\share\kit is away": "planted-server",
    "no file /home/Jo Planted/.hitl/line.csv": "Planted",
    "~/planted/line.csv is missing": "planted",
    "no connection to 192.168.17.5:9000": "192.168",
    "no connection to [fe80::1ff:fe23:4567:890a]:9000": "fe80",
    "DualSense (AA:BB:CC:DD:EE:0F)": "AA:BB",
    "Wheel SN-48151623-B": "48151623",
    "Wheel 1a2b-3c4d-5e6f": "3c4d",
    "Pad 00a1b2c3d4e5f6": "a1b2",
    "mail jo.planted@example.org": "planted",
}


@pytest.fixture
def private(tmp_path, monkeypatch):
    for name in ("USER", "USERNAME", "LOGNAME", "COMPUTERNAME", "HOSTNAME", "NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USER", "jo4711")
    monkeypatch.setenv("USERDOMAIN", "DENPC")
    monkeypatch.setenv("SOME_TOKEN", "planted-token")
    monkeypatch.setattr("platform.node", lambda: "planted-host.example")
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", "Intel64 Family 6 Model 151 Stepping 2, GenuineIntel")
    return Private(Home(tmp_path / "Planted Home"))


@pytest.mark.parametrize("text", KEPT)
def test_what_explains_a_machine_stays(private, text):
    assert private.text(text) == text


@pytest.mark.parametrize("text", TAKEN)
def test_what_tells_whose_it_was_goes(private, text):
    cleaned = private.text(text)
    assert TAKEN[text] not in cleaned
    assert GONE in cleaned


def test_what_is_known_of_this_pc_goes_in_any_letters(private, tmp_path):
    private.add("SER-1", "")
    text = private.text(f"JO4711 on Planted-Host and denpc in {tmp_path / 'Planted Home'} with planted-token and ser-1")
    assert text == " ".join([GONE, "on", GONE, "and", GONE, "in", GONE, "with", GONE, "and", GONE])
    assert private.figures({"a": ["jo4711", 1, None], "b_ms": float("nan"), "c": True, "d_ms": 1.23456}) == {
        "a": [GONE, 1, None], "b_ms": None, "c": True, "d_ms": 1.2346
    }  # fmt: skip


def test_a_long_text_is_cut_and_on_one_line(private):
    text = private.text("one\ntwo " + "word " * 200)
    assert text.startswith("one two")
    assert len(text) <= 300
