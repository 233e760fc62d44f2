"""LivePlot: `view` is what it shows, `outputs` and `terminal` where, `picture` how, `plot` when; `recording`, films."""
