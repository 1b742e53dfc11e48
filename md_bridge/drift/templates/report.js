// Draws the curves of the page with Plotly, in the colours of the page, from the JSON in #series.
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("series").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const energy = document.getElementById("energy-plot");
  const temperature = document.getElementById("temperature-plot");
  const buttons = {
    linear: document.getElementById("scale-linear"),
    log: document.getElementById("scale-log"),
  };
  let scale = data.scale;

  const variable = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // nothing is zero on a logarithmic axis
  const size = (value) => (value === 0 ? null : Math.abs(value));

  const narrow = () => window.innerWidth < 600;

  function traces(key, unit, convert, legend) {
    return data.runs.map((run) => ({
      x: run[key].time,
      y: convert ? run[key].values.map(convert) : run[key].values,
      name: run.method,
      legendgroup: run.method,
      showlegend: legend && run.first,
      mode: "lines",
      line: { color: dark.matches ? run.dark : run.light, width: data.several ? 1 : 1.4 },
      hovertemplate: "%{y:.4g} " + unit + " at %{x:.3f} ps<extra>" + run.label + "</extra>",
    }));
  }

  function layout(title, type) {
    const axis = { gridcolor: variable("--line"), zerolinecolor: variable("--faint") };
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: variable("--text"), size: 12, family: "system-ui, sans-serif" },
      margin: { l: 62, r: 8, t: 28, b: 44 },
      xaxis: { ...axis, title: { text: "time (ps)" }, automargin: true },
      yaxis: { ...axis, title: { text: title }, type: type, exponentformat: "power" },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      modebar: {
        bgcolor: "rgba(0,0,0,0)",
        color: variable("--faint"),
        activecolor: variable("--text"),
      },
      hovermode: "closest",
      // a finger moves the page, not the plot
      dragmode: narrow() ? false : "zoom",
    };
  }

  function draw() {
    const tools = [["zoom2d", "pan2d", "resetScale2d", "toImage"]];
    const config = { responsive: true, displaylogo: false, modeBarButtons: tools };
    if (narrow()) config.displayModeBar = false;
    const log = scale === "log";
    const title = log ? "|H(t) − H(0)| / N (meV/atom)" : "[H(t) − H(0)] / N (meV/atom)";
    const lines = traces("energy", "meV/atom", log ? size : null, true);
    Plotly.react(energy, lines, layout(title, scale), config);
    const warmth = traces("temperature", "K", null, false);
    Plotly.react(temperature, warmth, layout("T (K)", "linear"), config);
    for (const name in buttons) buttons[name].setAttribute("aria-pressed", String(name === scale));
  }

  for (const name in buttons) {
    buttons[name].addEventListener("click", () => {
      scale = name;
      draw();
    });
  }
  dark.addEventListener("change", draw);
  draw();
})();
