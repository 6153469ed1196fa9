"""Every reader of foreign data."""

from tests.fuzzing import episodes, histories, machines, pickles, roads, settings, stores

READERS = (
    *roads.READERS, *pickles.READERS, *settings.READERS, *histories.READERS,
    *episodes.READERS, *stores.READERS, *machines.READERS,
)  # fmt: skip
