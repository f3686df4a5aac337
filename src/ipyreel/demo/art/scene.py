"""From the words of a prompt to the choices of a picture; standard library only, pure.

`read_scene` looks for words it knows (English and Chinese). A prompt that holds none still gets
colours of its own: they are derived from a hash of its text.
"""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

Colour: TypeAlias = tuple[float, float, float]
Words: TypeAlias = Mapping[str, str]

# In each table the first row that has a word in the prompt wins; for subjects and air every row
# does. Words of Latin letters are matched whole, with an optional plural; others where they stand.
PLACES: Words = MappingProxyType(
    {
        "underwater": "underwater undersea reef coral seabed jellyfish submarine 水下 海底 珊瑚",
        "space": "space galaxy nebula planet universe cosmos cosmic orbit milky star-field "
        "astronaut "
        "mars moon-landing 太空 宇宙 星球 银河 宇航",
        "city": "city cityscape cyberpunk neon downtown skyline skyscraper street tokyo york "
        "metropolis "
        "urban building town shanghai 城市 都市 霓虹 街 赛博朋克 高楼",
        "garden": "garden cherry sakura koi blossom pond pagoda kyoto zen japanese temple "
        "花园 庭院 樱 锦鲤 池塘 寺",
        "beach": "beach shore seaside coast sand island tropical 沙滩 海滩 海边 海岸",
        "sea": "sea ocean wave surf surfing sailing harbor harbour lake river waterfall water "
        "海 湖 河 浪 大洋 水面",
        "desert": "desert dune sahara canyon camel 沙漠 沙丘",
        "mountain": "mountain mountainous alps peak snowy snow snowfall glacier valley ski winter "
        "cliff "
        "himalaya aurora northern-light 山 雪 冰川 峡谷 极光",
        "forest": "forest wood woods jungle tree rainforest pine bamboo fairy campfire "
        "森林 树林 丛林 竹",
        "meadow": "meadow field grass park hill flower tulip sunflower rose lavender spring "
        "countryside "
        "farm prairie lawn picnic 草地 草原 田野 公园 花",
        "studio": "product logo demo advertisement ad commercial showcase brand presentation "
        "startup "
        "phone bottle watch perfume coffee cup 产品 演示 广告 品牌 标志 宣传 展示",
    }
)
HOURS: Words = MappingProxyType(
    {
        "night": "night midnight moonlight moonlit moon starry aurora northern-light cyberpunk "
        "neon "
        "firework campfire firefly 夜 月 星空 极光 霓虹 烟花",
        "sunset": "sunset evening twilight dusk afterglow 日落 夕阳 黄昏 傍晚 晚霞",
        "sunrise": "sunrise dawn morning daybreak 日出 清晨 黎明 早晨 朝霞",
        "golden": "golden-hour golden-light warm-light 黄金时刻 金色阳光",
        "storm": "storm stormy thunder thunderstorm lightning rain rainy hurricane tornado "
        "overcast gloomy "
        "暴风 雷 雨 阴天",
        "day": "noon midday day daylight sunny summer 中午 正午 白天 晴",
    }
)
SUBJECTS: Words = MappingProxyType(
    {
        "dog": "dog puppy retriever corgi hound husky poodle labrador shepherd wolf fox horse 狗 "
        "犬 狼 马",
        "cat": "cat kitten kitty tiger lion leopard panther 猫 虎 狮",
        "koi": "koi goldfish carp 锦鲤 金鱼",
        "fish": "fish shark dolphin whale turtle 鱼 鲨 鲸 海豚",
        "bird": "bird seagull gull eagle crane swan dove pigeon hawk sparrow owl 鸟 鹰 鹤 鸽 海鸥",
        "butterfly": "butterfly moth 蝴蝶",
        "boat": "boat ship sailboat yacht sail vessel ferry 船 帆 舟",
        "hover": "flying-vehicle flying-car hovercar spaceship spacecraft ufo drone 飞行器 飞车 "
        "飞船 无人机",
        "rocket": "rocket shuttle missile 火箭",
        "car": "car automobile truck taxi vehicle driving race racing bus 车",
        "hot-air-balloon": "hot-air-balloon 热气球",
        "balloon": "balloon 气球",
        "dancer": "dancer dancing dance ballerina ballet 舞",
        "person": "person people man woman girl boy child kid human astronaut runner walker "
        "traveler "
        "couple family someone he she 人 男 女 孩",
        "bridge": "bridge 桥",
    }
)
AIR: Words = MappingProxyType(
    {
        "aurora": "aurora northern-light borealis 极光",
        "rain": "rain rainy raining storm stormy thunderstorm drizzle downpour 雨 暴风",
        "lightning": "lightning thunder thunderstorm storm stormy 雷 闪电",
        "snow": "snow snowing snowfall snowflake blizzard winter christmas 雪 冬",
        "petals": "cherry sakura petal blossom 樱 花瓣",
        "leaves": "autumn maple leaf leaves 秋 落叶 枫",
        "embers": "fire flame campfire burning ember lava volcano dragon inferno candle 火 焰 熔岩",
        "fireflies": "firefly fireflies fairy magic magical enchanted 萤火虫 魔法 仙",
        "confetti": "confetti party celebration birthday festival 庆祝 派对 生日 节日",
        "fireworks": "firework 烟花",
        "bubbles": "bubble underwater undersea 气泡 泡泡 水下 海底",
        "fog": "fog foggy mist misty haze smoke 雾 烟雨",
        "stars": "star starry 星空 繁星",
    }
)
STYLES: Words = MappingProxyType(
    {
        "watercolor": "watercolor watercolour aquarelle ink-wash painting painted sketch 水彩 水墨 "
        "国画",
        "mono": "black-and-white monochrome noir grayscale greyscale 黑白",
        "sepia": "sepia vintage retro nostalgic old-film 复古 怀旧",
        "neon": "neon cyberpunk synthwave vaporwave futuristic sci-fi 霓虹 赛博朋克 未来",
        "soft": "pastel dreamy soft serene ethereal gentle minimal 梦幻 柔和 宁静 唯美",
    }
)
TEMPI: Mapping[float, str] = MappingProxyType(
    {
        0.5: "slow-motion slow slowly slowmo calm serene gentle gently peaceful quiet tranquil "
        "relaxing "
        "meditation 慢 宁静 平静 缓缓 安静",
        1.9: "fast quick quickly rapid speed racing race hyperlapse timelapse time-lapse chase "
        "storm stormy "
        "energetic dynamic 快 疾驰 延时 动感",
    }
)
COLOURS: Mapping[Colour, str] = MappingProxyType(
    {
        (214, 40, 44): "red crimson scarlet ruby 红",
        (240, 130, 36): "orange amber 橙",
        (236, 186, 60): "gold golden yellow 金 黄",
        (64, 160, 84): "green emerald lime 绿",
        (36, 170, 168): "teal turquoise cyan aqua 青",
        (46, 98, 214): "blue azure navy cobalt sapphire 蓝",
        (132, 72, 204): "purple violet indigo lavender 紫",
        (240, 116, 166): "pink magenta rose fuchsia 粉",
        (132, 88, 56): "brown chocolate bronze 棕 褐",
        (238, 238, 242): "white ivory 白",
        (34, 34, 42): "black 黑",
        (142, 146, 154): "gray grey silver 灰 银",
    }
)

# Sky from the zenith to the horizon, and the light of sun or moon.
SKIES: Mapping[str, tuple[Colour, Colour, Colour, Colour]] = MappingProxyType(
    {
        "day": ((38, 108, 196), (104, 170, 226), (208, 232, 242), (255, 250, 232)),
        "golden": ((74, 88, 150), (232, 146, 104), (255, 206, 122), (255, 230, 170)),
        "sunset": ((44, 30, 92), (206, 82, 96), (255, 168, 84), (255, 220, 146)),
        "sunrise": ((78, 104, 176), (232, 150, 164), (255, 216, 172), (255, 240, 206)),
        "night": ((5, 8, 28), (14, 26, 66), (40, 58, 108), (226, 234, 255)),
        "storm": ((36, 42, 54), (70, 80, 94), (126, 134, 140), (196, 206, 214)),
        "neon": ((8, 6, 30), (48, 16, 88), (176, 40, 130), (255, 120, 220)),
        "space": ((4, 4, 14), (10, 10, 34), (24, 18, 58), (255, 236, 200)),
        "underwater": ((60, 180, 208), (14, 98, 156), (4, 30, 74), (220, 255, 250)),
        "studio": ((26, 30, 46), (58, 70, 104), (140, 156, 190), (255, 255, 255)),
    }
)
# How the light of each hour colours what stands in it.
LIGHTS: Mapping[str, Colour] = MappingProxyType(
    {
        "day": (1.0, 1.0, 1.0),
        "golden": (0.92, 0.74, 0.56),
        "sunset": (0.66, 0.44, 0.44),
        "sunrise": (0.88, 0.76, 0.76),
        "night": (0.2, 0.25, 0.4),
        "storm": (0.5, 0.55, 0.6),
    }
)
_HOME: Words = MappingProxyType(
    {
        "dog": "meadow", "cat": "meadow", "koi": "garden", "fish": "underwater", "bird": "sea",
        "butterfly": "meadow", "boat": "sea", "hover": "city", "rocket": "space", "car": "desert",
        "balloon": "meadow", "hot-air-balloon": "meadow", "dancer": "studio", "person": "meadow",
        "bridge": "garden",
        "rain": "city", "snow": "mountain", "aurora": "mountain", "petals": "garden",
        "leaves": "forest", "embers": "forest", "fireflies": "forest", "fireworks": "city",
        "stars": "mountain", "bubbles": "underwater", "fog": "forest", "lightning": "sea",
    }
)  # fmt: skip
# Places that have no colours but those of the prompt.
_BARE = ("silk", "studio")
_HABIT: Words = MappingProxyType({"forest": "golden", "desert": "golden", "sea": "golden"})
# Phrases whose words mean something else alone.
_PHRASES = (
    "hot air balloon",
    "star field", "moon landing", "northern light", "golden hour", "golden light", "warm light",
    "flying vehicle", "flying car", "ink wash", "black and white", "old film", "sci fi",
    "slow motion", "time lapse",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a prompt asks to see, as choices; colours are RGB in 0..255."""

    place: str
    hour: str
    subjects: tuple[str, ...]
    air: tuple[str, ...]
    style: str
    tempo: float  # 1.0 is the ordinary pace
    accent: Colour | None  # the first colour named
    sky: tuple[Colour, Colour, Colour]  # zenith, middle, horizon
    light: Colour  # of sun, moon or lamp
    tint: Colour  # factors 0..1 for what stands in that light
    hue: float  # 0..1, of the prompt's hash
    digest: int  # of prompt and seed: the source of everything left to chance


class _Text:
    """A prompt prepared for looking up words."""

    def __init__(self, prompt: str) -> None:
        flat = re.sub(r"[\s_-]+", " ", prompt.lower())
        for phrase in _PHRASES:
            flat = re.sub(rf"\b{phrase}(s?)\b", phrase.replace(" ", "-"), flat)
        self.flat = flat
        self.at: dict[str, int] = {}
        for found in re.finditer(r"[a-z]+(?:-[a-z]+)*", flat):
            self.at.setdefault(found.group(), found.start())

    def first(self, words: str) -> int | None:
        """Return where the earliest of ``words`` stands, or None."""
        places: list[int] = []
        for word in words.split():
            if word.isascii():
                forms = (word, word + "s", word + "es", re.sub("y$", "ies", word))
                places += [self.at[form] for form in forms if form in self.at]
            elif word in self.flat:
                places.append(self.flat.index(word))
        return min(places, default=None)


def _one(text: _Text, table: Words) -> str:
    return next((name for name, words in table.items() if text.first(words) is not None), "")


def _every(text: _Text, table: Words) -> tuple[str, ...]:
    found = [(text.first(words), name) for name, words in table.items()]
    return tuple(name for at, name in sorted((a, n) for a, n in found if a is not None))


def _accent(text: _Text) -> Colour | None:
    found = [(text.first(words), colour) for colour, words in COLOURS.items()]
    return min(((at, colour) for at, colour in found if at is not None), default=(0, None))[1]


def _hash(*parts: object) -> int:
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _towards(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(colour, other, strict=True))
    return (red, green, blue)


def _of_hue(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return (255 * red, 255 * green, 255 * blue)


def _own_sky(accent: Colour | None, hue: float) -> tuple[Colour, Colour, Colour, Colour]:
    """Return the colours of a picture of no known place: of the colour named, or of the hash."""
    if accent is None:
        return (
            _of_hue(hue, 0.14, 0.62),
            _of_hue(hue + 0.05, 0.42, 0.66),
            _of_hue(hue + 0.13, 0.66, 0.8),
            _of_hue(hue + 0.18, 0.88, 0.85),
        )
    return (
        _towards(accent, (6, 6, 14), 0.78),
        _towards(accent, (20, 16, 40), 0.3),
        _towards(accent, (255, 246, 230), 0.3),
        _towards(accent, (255, 255, 255), 0.75),
    )


def _sky(place: str, hour: str, style: str, accent: Colour | None, hue: float) -> list[Colour]:
    if place == "silk":
        colours = _own_sky(accent, hue)
    elif place == "studio":
        own = _own_sky(accent, hue)
        colours = (own[0], _towards(own[0], own[1], 0.55), own[1], own[3])
    elif place in ("space", "underwater"):
        colours = SKIES[place]
    else:
        colours = SKIES["neon" if style == "neon" and hour == "night" else hour]
    sky = list(colours)
    if accent is not None and place not in _BARE:
        sky = [_towards(colour, accent, 0.24) for colour in sky]
    if style in ("watercolor", "soft"):
        share = 0.26 if style == "watercolor" else 0.14
        sky = [_towards(colour, (250, 246, 240), share) for colour in sky]
    return sky


def read_scene(prompt: str, *, seed: int = 0) -> Scene:
    """Choose a scene for ``prompt``; the same prompt and seed always give the same scene.

    The seed changes only `Scene.digest`: the layout, never what is in the picture.
    """
    text = _Text(prompt)
    subjects, air = _every(text, SUBJECTS), _every(text, AIR)
    style, hour = _one(text, STYLES), _one(text, HOURS)
    accent = _accent(text)
    home = next((_HOME[name] for name in (*subjects, *air) if name in _HOME), "")
    place = _one(text, PLACES) or home or ("sea" if hour else "silk")
    habit = "day" if accent else _HABIT.get(place, "day")
    hour = hour or ("night" if style == "neon" else habit)
    # From cyan over violet to red: greens and olives make poor skies.
    hue = 0.5 + 0.42 * _hash("hue", prompt) / 2**64
    # A colour named together with a subject is the subject's.
    sky = _sky(place, hour, style, None if subjects and place not in _BARE else accent, hue)
    tempo = next((pace for pace, words in TEMPI.items() if text.first(words) is not None), 1.0)
    return Scene(
        place=place,
        hour=hour,
        subjects=subjects,
        air=air,
        style=style,
        tempo=tempo,
        accent=accent,
        sky=(sky[0], sky[1], sky[2]),
        light=sky[3],
        tint=LIGHTS[hour],
        hue=hue,
        digest=_hash("layout", prompt, seed),
    )
