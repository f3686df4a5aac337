"""Clients of the strict fakes, with a clock that moves only in `sleep`."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ipyreel.catalog import Catalog
from ipyreel.client import VideoClient
from tests.client.support.time import Time, certain, run
from tests.dialects.fakes import engines, gateways, openai_like
from tests.dialects.fakes.base import KEY

FAKES = (
    openai_like.OpenAI,
    openai_like.Azure,
    gateways.Apigo,
    gateways.Apiyi,
    gateways.Aiid,
    gateways.AiidGrok,
    gateways.AiidVeo,
    gateways.Qiling,
    gateways.NewApi,
    openai_like.LiteLLM,
    engines.SGLang,
    engines.VllmOmni,
    engines.Trtllm,
    openai_like.OpenRouter,
    engines.Generic,
    engines.GenericForm,
    engines.GenericMedia,
)
PROMPT = 'A paper boat, "drifting" – 紙の船\nat dawn'
CATALOG = Catalog.load()
STORED = Path(__file__).with_name("requests")


class Table:
    """One fake and a client of it: `client` is a `VideoClient`, `time` what it slept."""

    def __init__(self, fake):
        self.fake, self.time = fake, Time()

    @contextlib.asynccontextmanager
    async def client(self, key=KEY):
        """Open a client by the built-in row, with the address of the fake and its key, if any."""
        options = {"sleep": self.time.sleep, "clock": self.time.clock, "rng": certain}
        async with VideoClient(
            self.fake.provider,
            key=key if self.fake.takes_key else None,
            base_url=self.fake.url,
            catalog=CATALOG,
            **options,
        ) as client:
            yield client

    async def finished(self, client, **more):
        """Ask, and ask again until the job has ended."""
        job = await client.create(PROMPT, **{**self.fake.ask, **more})
        assert job.status == "queued"
        return await client.wait(job.remote_id)


def at(stage, fake, ask):
    """Let `fake` answer, and run `ask(table, client)` against it."""

    async def asked():
        table = Table(stage.play(fake))
        async with table.client() as client:
            return await ask(table, client)

    return run(asked())
