"""The journey from a prompt to a video that others see, in Notebook 7."""

from __future__ import annotations

import pytest

from tests.browser import test_lab
from tests.support.lab import NOTEBOOK

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def app():
    return NOTEBOOK


test_live = test_lab.test_the_card_moves_while_a_cell_blocks_and_its_video_is_saved
