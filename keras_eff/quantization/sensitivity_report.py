import dataclasses

from keras_eff.table import format_table

_COLUMNS = {
    "layer": "",
    "rounded": "",
    "bits": "d",
    "bytes": ",",
    "SQNR, dB": ".1f",
    "agreement": ".3f",
}


@dataclasses.dataclass(frozen=True)
class RoundingEffect:
    """What one rounding alone does to the outputs of a model.

    Attributes:
        layer: Name of a layer whose weights are rounded, or of the operation
            whose result is.
        kind: "weights" or "activations".
        num_bits: Integer, the width it is rounded to, in bits.
        size_bytes: Integer, what the weights take at that width, in bytes; 0
            for activations.
        noise: Float, power of the difference over the power of the outputs,
            the mean over several outputs.
        sqnr_db: Float, `-10 log10(noise)`, in decibels; infinite where the
            rounding changes nothing.
        agreement: Float in [0, 1], share of the positions with the same
            largest output; None where no output has two values.
    """

    layer: str
    kind: str
    num_bits: int
    size_bytes: int
    noise: float
    sqnr_db: float
    agreement: float | None


@dataclasses.dataclass(frozen=True)
class QuantizationSensitivity:
    """What each rounding alone does; prints as a table, the worst first.

    Attributes:
        effects: A `RoundingEffect` for each.
    """

    effects: tuple[RoundingEffect, ...]

    def mixed_precision(self, size_bytes: int) -> dict[str, int]:
        """Chooses the width of each layer's weights.

        The widths measured are the choice. All weights start at the widest,
        and step down where a byte saved adds the least noise, until they fit.
        The noise of several roundings is taken to add up.

        Args:
            size_bytes: Integer, what the weights may take in all, in bytes;
                biases, scales and the file's tables come on top.

        Returns:
            Dict from layer names to bits, for `keras_eff.quantize`.

        Raises:
            ValueError: If they do not fit at the narrowest.
        """
        steps = self._steps()
        chosen = {layer: rows[0] for layer, rows in steps.items()}
        while sum(row.size_bytes for row in chosen.values()) > size_bytes:
            ways = [
                (_cost(chosen[layer], row), layer, row)
                for layer, rows in steps.items()
                for row in rows
                if row.size_bytes < chosen[layer].size_bytes
            ]
            if not ways:
                least = sum(row.size_bytes for row in chosen.values())
                raise ValueError(
                    "Argument `size_bytes` must leave room for the weights, "
                    f"which take {least:,} bytes at the narrowest width that "
                    f"was measured. Received: size_bytes={size_bytes}"
                )
            _, layer, row = min(ways, key=lambda way: way[:2])
            chosen[layer] = row
        return {layer: row.num_bits for layer, row in chosen.items()}

    def _steps(self):
        """The effects of weights for each layer, the widest first."""
        steps = {}
        for effect in self.effects:
            if effect.kind == "weights":
                steps.setdefault(effect.layer, []).append(effect)
        return {
            layer: sorted(rows, key=lambda row: -row.num_bits)
            for layer, rows in steps.items()
        }

    def __str__(self):
        rows = (
            (
                row.layer,
                row.kind,
                row.num_bits,
                row.size_bytes or None,
                row.sqnr_db,
                row.agreement,
            )
            for row in sorted(self.effects, key=lambda row: row.sqnr_db)
        )
        return format_table(_COLUMNS, rows)


def _cost(before, after):
    """The noise that a step down adds for each byte that it saves."""
    saved = before.size_bytes - after.size_bytes
    return (after.noise - before.noise) / saved
