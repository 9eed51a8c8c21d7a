"""The report in a real browser: Debian's Chromium, headless, from a file, offline."""

import shutil
from io import BytesIO

import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium)"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Opened:
    """A page that was opened offline, and what happened meanwhile."""

    def __init__(self, browser, file, width, scheme):
        self.said, self.requests, self.dialogs = [], [], []
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        self.page = context.new_page()
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri())
        self.page.locator(".plot").last.locator(".main-svg").first.wait_for(state="attached")


@pytest.fixture(scope="module")
def wide(browser, page_file):
    return Opened(browser, page_file, 1400, "light")


@pytest.fixture(scope="module")
def narrow(browser, page_file):
    return Opened(browser, page_file, 400, "dark")


def colours(png):
    """How many colours a picture has, small differences apart."""
    return len(Image.open(BytesIO(png)).convert("RGB").quantize(32).getcolors())


def test_the_console_stays_silent_and_nothing_is_fetched(wide, narrow):
    for opened in (wide, narrow):
        assert opened.said == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.requests)
        assert sum(url.startswith("file:") for url in opened.requests) == 1


def test_hostile_texts_do_no_harm(wide):
    page = wide.page
    assert page.evaluate("window.harmed") is None
    assert wide.dialogs == []
    assert page.locator("img").count() == 0
    for details in page.locator("details").all():
        details.evaluate("each => { each.open = true; }")
    assert page.evaluate("window.harmed") is None


def test_hover_text_shows_tags_as_text(wide):
    page = wide.page
    page.evaluate("Plotly.Fx.hover('plot-tree', [{curveNumber: 2, pointNumber: 2}])")
    shown = page.locator("#plot-tree .hoverlayer").text_content()
    assert "<a href=" in shown
    assert page.locator("#plot-tree a").count() == 0


def test_every_plot_is_drawn(wide, narrow):
    for opened in (wide, narrow):
        plots = opened.page.locator(".plot").all()
        assert len(plots) == 10
        for plot in plots:
            assert colours(plot.screenshot()) > 8


def test_a_blank_area_would_be_noticed(wide):
    wide.page.evaluate("document.body.insertAdjacentHTML('afterbegin', '<div id=blank>&nbsp;</div>')")
    assert colours(wide.page.locator("#blank").screenshot()) <= 8
    wide.page.evaluate("document.getElementById('blank').remove()")


def test_the_table_sorts_by_click_both_ways(wide):
    page = wide.page
    heading = page.locator("table.sortable").last.locator("thead th").nth(3)
    cells = page.locator("table.sortable").last.locator("tbody").first.locator("tr > :nth-child(4)")

    def values():
        return cells.evaluate_all("cells => cells.map(cell => Number(cell.dataset.value))")

    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert len(values()) > 10
    assert values() == sorted(values())
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)
    assert page.locator("table.sortable").last.locator("th[aria-sort]").count() == 1


def test_the_table_sorts_by_keyboard(wide):
    page = wide.page
    table = page.locator("table.sortable").last
    button = table.locator("thead button").nth(1)
    button.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    assert button.evaluate("each => each === document.activeElement")
    assert button.evaluate("each => getComputedStyle(each).outlineStyle") != "none"
    page.keyboard.press("Enter")
    names = table.locator("tbody").first.locator("th").evaluate_all("cells => cells.map(cell => cell.dataset.value)")
    assert names == sorted(names)


def test_the_first_tab_leads_to_the_skip_link(narrow):
    narrow.page.keyboard.press("Tab")
    assert narrow.page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert narrow.page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_a_phone_needs_no_sideways_scrolling(narrow):
    assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 400
    outside = """[...document.querySelectorAll("main *")].filter(each =>
        each.getBoundingClientRect().right > 401 && !each.closest(".scroll, .plot, pre"))"""
    assert narrow.page.evaluate(f"{outside}.map(each => each.outerHTML.slice(0, 80))") == []


def test_dark_and_light_reach_page_and_plots(wide, narrow):
    def brightness(page, script):
        red, green, blue = page.evaluate(f"({script}).match(/\\d+/g).slice(0, 3).map(Number)")
        return (red + green + blue) / 3

    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('#plot-evolution .xtick text')).fill"
    assert brightness(wide.page, paper) > 200
    assert brightness(wide.page, ink) < 60
    assert brightness(narrow.page, paper) < 60
    assert brightness(narrow.page, ink) > 200


def test_plots_follow_a_change_of_the_scheme(wide):
    page = wide.page
    ink = "getComputedStyle(document.querySelector('#plot-evolution .xtick text')).fill"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    waited = 0
    while page.evaluate(ink) == light:
        assert waited < 100, "the plots keep their colours"
        page.wait_for_timeout(100)
        waited += 1
    page.emulate_media(color_scheme="light")
