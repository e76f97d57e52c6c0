"""Regimes for small consignments."""

from __future__ import annotations

import enum

__all__ = ["RegimeId"]


class RegimeId(enum.Enum):
    """A set of rules by which a country lets small consignments in."""

    __hash__ = object.__hash__

    EU_IOSS = "eu_ioss"
    EU_DUTY_RELIEF = "eu_duty_relief"
    EU_FLAT_DUTY = "eu_flat_duty"
    UK_LOW_VALUE = "uk_low_value"
    NO_VOEC = "no_voec"
    NZ_LOW_VALUE = "nz_low_value"
    AU_LOW_VALUE = "au_low_value"
    CN_RETAIL_IMPORT = "cn_retail_import"
