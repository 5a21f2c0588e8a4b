"""A figure that a notebook shows by itself."""

import io
from typing import Any

from matplotlib.figure import Figure

SHARPNESS = 2  # pixels per unit, for screens that have more than one


class ShownFigure(Figure):
    """A Figure with a picture of its own: IPython draws bare Figures only where pyplot was set up before."""

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=SHARPNESS * self.dpi)
        width, height = (int(inches * self.dpi) for inches in self.get_size_inches())
        return png.getvalue(), {"width": width, "height": height}
