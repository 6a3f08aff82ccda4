"""Browsers that a Chromium can pass for: what it says of itself in headers, in client hints and to scripts agrees.

Safari and Firefox are not among them: they send no client hints, and have another engine.
"""

from dataclasses import dataclass
from typing import Any

# A brand that means nothing, so that no site relies on the list: https://wicg.github.io/ua-client-hints/#grease
_GREASE = {"brand": "Not=A?Brand", "version": "24"}


@dataclass(frozen=True)
class Size:
    """Of a window, in CSS pixels; `scale`: device pixels for one of them."""

    width: int
    height: int
    scale: float = 1.0


@dataclass(frozen=True)
class Agent:
    """`system` is as in the User-Agent header, `platform` as in client hints, `for_scripts`: navigator.platform."""

    name: str
    brand: str
    system: str
    platform: str
    platform_version: str
    for_scripts: str
    sizes: tuple[Size, ...]
    suffix: str = ""
    phone: bool = False
    touch: bool = False
    model: str = ""
    architecture: str = "x86"

    def user_agent(self, version: str) -> str:
        """The header of this version of Chromium (156.0.8078.108), reduced as browsers do it."""
        major = version.partition(".")[0]
        mobile = " Mobile" if self.phone else ""
        suffix = f" {self.suffix}/{major}.0.0.0" if self.suffix else ""
        return (
            f"Mozilla/5.0 ({self.system}) AppleWebKit/537.36 (KHTML, like Gecko) "
            f"Chrome/{major}.0.0.0{mobile} Safari/537.36{suffix}"
        )

    def client_hints(self, version: str) -> dict[str, Any]:
        """What `Emulation.setUserAgentOverride` of the DevTools protocol takes as userAgentMetadata."""
        major = version.partition(".")[0]
        return {
            "brands": [_GREASE, *({"brand": name, "version": major} for name in ("Chromium", self.brand))],
            "fullVersionList": [
                {**_GREASE, "version": "24.0.0.0"},
                *({"brand": name, "version": version} for name in ("Chromium", self.brand)),
            ],
            "platform": self.platform,
            "platformVersion": self.platform_version,
            "architecture": "" if self.touch else self.architecture,
            "bitness": "" if self.touch else "64",
            "model": self.model,
            "mobile": self.phone,
            "wow64": False,
        }


_DESKTOPS = (Size(1920, 945), Size(1536, 730), Size(1366, 641), Size(2560, 1305))
_MACS = (Size(1440, 789, 2.0), Size(1512, 859, 2.0), Size(1728, 992, 2.0))
_CHROME = "Google Chrome"

# How many of a hundred visitors have it, and the agent.
AGENTS: tuple[tuple[int, Agent], ...] = (
    (
        30,
        Agent("Chrome on Windows", _CHROME, "Windows NT 10.0; Win64; x64", "Windows", "15.0.0", "Win32", _DESKTOPS),
    ),
    (
        10,
        Agent(
            "Edge on Windows",
            "Microsoft Edge",
            "Windows NT 10.0; Win64; x64",
            "Windows",
            "10.0.0",
            "Win32",
            _DESKTOPS,
            suffix="Edg",
        ),
    ),
    (
        15,
        Agent(
            "Chrome on macOS",
            _CHROME,
            "Macintosh; Intel Mac OS X 10_15_7",
            "macOS",
            "15.5.0",
            "MacIntel",
            _MACS,
            architecture="arm",
        ),
    ),
    (5, Agent("Chrome on Linux", _CHROME, "X11; Linux x86_64", "Linux", "", "Linux x86_64", _DESKTOPS[:3])),
    (
        33,
        Agent(
            "Chrome on an Android phone",
            _CHROME,
            "Linux; Android 10; K",
            "Android",
            "15.0.0",
            "Linux armv81",
            (Size(412, 785, 2.625), Size(384, 699, 2.8125), Size(360, 660, 3.0)),
            phone=True,
            touch=True,
            model="Pixel 8",
        ),
    ),
    (
        7,
        Agent(
            "Chrome on an Android tablet",
            _CHROME,
            "Linux; Android 10; K",
            "Android",
            "14.0.0",
            "Linux armv81",
            (Size(800, 1208, 2.0), Size(1280, 728, 2.0)),
            touch=True,
            model="SM-X510",
        ),
    ),
)
