"""Numbers that settings may be."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Steps = Annotated[int, Meta(ge=0, le=10**12)]
Size = Annotated[int, Meta(ge=1, le=4096)]
"""Far more than anyone trains with: a setting from a file must not ask for all the memory there is."""
Beta = Annotated[float, Meta(ge=0, lt=1)]
