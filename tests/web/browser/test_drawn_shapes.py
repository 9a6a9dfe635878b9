"""Boxes and polygons drawn, moved and mirrored with the mouse and the keys, in a real browser."""

from __future__ import annotations

from selenium.webdriver import Keys


def test_a_dragged_box_is_the_text_of_its_link(board):
    board.drag((0.25, 0.5), (0.75, 0.625))
    board.gives("--link 'region1=auto@box(0.25,0.5,0.75,0.625)'")
    assert board.note == "6.3 % · 64 px · 4 of 64 axes (0:4)"
    assert board.find("#rest").text == "The rest: 93.8 % · 960 px · 60 of 64 axes (4:64)"
    assert board.complaint == ""


def test_without_snapping_a_box_is_where_the_pointer_was_to_a_thousandth(board):
    board.press("s")
    board.drag((0.2, 0.31), (0.617, 0.5))
    board.wait("document.getElementById('option').value")
    left, top, width, height = board.driver.execute_script(
        "const r = document.querySelector('.shapes').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]"
    )
    ends = [board.pixel((0.2, 0.31)), board.pixel((0.617, 0.5))]
    numbers = [round(share, 3) for x, y in ends for share in ((x - left) / width, (y - top) / height)]
    assert board.option == f"--link 'region1=auto@box({','.join(f'{number:g}' for number in numbers)})'"


def test_a_box_drawn_from_any_corner_and_beyond_the_image_ends_at_its_edge(board):
    board.drag((0.5, 0.5), (0.25, 0.25))
    board.drag((0.75, 0.75), (1.04, 1.04))
    board.gives("--link 'region1=auto@box(0.25,0.25,0.5,0.5)+box(0.75,0.75,1,1)'")


def test_a_polygon_is_closed_by_a_double_click_the_first_corner_or_enter_and_given_up_by_escape(board):
    board.polygon((0.25, 0.25), (0.75, 0.25), (0.5, 0.75))
    text = "polygon(0.25,0.25,0.75,0.25,0.5,0.75)"
    board.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.125, 0.75), (0.25, 0.875), (0.125, 0.875)):
        board.click(corner)
    board.click((0.125, 0.75))
    text += "+polygon(0.125,0.75,0.25,0.875,0.125,0.875)"
    board.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.75, 0.75), (0.875, 0.75), (0.5, 0.5), (0.875, 0.875)):
        board.click(corner)
        if corner == (0.5, 0.5):
            board.press(Keys.BACKSPACE)
    board.press(Keys.ENTER)
    text += "+polygon(0.75,0.75,0.875,0.75,0.875,0.875)"
    board.gives(f"--link 'region1=auto@{text}'")
    for corner in ((0.125, 0.125), (0.25, 0.125), (0.125, 0.25)):
        board.click(corner)
    board.press(Keys.ESCAPE)
    assert board.find(".draft").get_attribute("d") == ""
    board.gives(f"--link 'region1=auto@{text}'")


def test_two_corners_are_no_polygon(board):
    board.press("p")
    board.click((0.25, 0.25))
    board.click((0.5, 0.25), times=2)
    board.says("at least three corners")
    assert board.option == ""


def test_mirror_adds_the_shape_of_the_other_side_once(board):
    board.drag((0.125, 0.25), (0.375, 0.5))
    board.find("#mirror").click()
    board.gives("--link 'region1=auto@box(0.125,0.25,0.375,0.5)+box(0.625,0.25,0.875,0.5)'")
    board.press("m")
    board.says("already exists")
    board.polygon((0.125, 0.625), (0.25, 0.625), (0.125, 0.75))
    board.press("m")
    board.says("Mirrored in region1")
    board.wait("document.getElementById('option').value.endsWith('+polygon(0.875,0.75,0.75,0.625,0.875,0.625)\\'')")


def test_shapes_are_moved_resized_deleted_and_all_of_it_undone(board):
    board.drag((0.25, 0.25), (0.5, 0.5))
    board.drag((0.375, 0.375), (0.5, 0.625))  # the selected one, by its middle
    moved = "--link 'region1=auto@box(0.375,0.5,0.625,0.75)'"
    board.gives(moved)
    board.drag((0.625, 0.75), (0.875, 0.875))  # by its lower right corner
    resized = "--link 'region1=auto@box(0.375,0.5,0.875,0.875)'"
    board.gives(resized)
    board.press("v")
    board.drag((0.625, 0.625), (1, 0.625))  # no further than the edge
    board.gives("--link 'region1=auto@box(0.5,0.5,1,0.875)'")
    board.press(Keys.DELETE)
    board.gives("")
    for _ in range(2):
        board.press("z", holding=(Keys.CONTROL,))
    board.gives(resized)
    board.find("#undo").click()
    board.gives(moved)
    board.press("z", holding=(Keys.CONTROL, Keys.SHIFT))
    board.gives(resized)


def test_a_corner_of_a_polygon_is_dragged_and_a_new_one_made_between_two(board):
    board.polygon((0.25, 0.25), (0.75, 0.25), (0.75, 0.75))
    board.drag((0.75, 0.75), (0.5, 0.75))
    board.gives("--link 'region1=auto@polygon(0.25,0.25,0.75,0.25,0.5,0.75)'")
    board.drag((0.5, 0.25), (0.5, 0.125))
    board.gives("--link 'region1=auto@polygon(0.25,0.25,0.5,0.125,0.75,0.25,0.5,0.75)'")


def test_everything_can_be_done_with_keys_alone(board):
    board.press("a")
    board.gives("--link 'region1=auto@box(0.406,0.406,0.594,0.594)'")
    board.press(Keys.ARROW_RIGHT * 3)
    board.press(Keys.ARROW_UP, holding=(Keys.SHIFT,))
    board.gives("--link 'region1=auto@box(0.5,0.094,0.688,0.282)'")
    board.press(Keys.TAB)
    assert board.driver.switch_to.active_element.get_attribute("aria-label") == "top left corner"
    board.press(Keys.ARROW_LEFT * 16)
    board.gives("--link 'region1=auto@box(0,0.094,0.688,0.282)'")
    board.press("p", "a")
    board.wait("document.querySelectorAll('.shapes .handle').length === 6")
    board.press(Keys.TAB, "+")
    board.wait("document.querySelectorAll('.shapes .handle').length === 8")
    board.press(Keys.DELETE)
    board.wait("document.querySelectorAll('.shapes .handle').length === 6")
