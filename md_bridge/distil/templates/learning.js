// The learning curves, from the JSON in #curves, in the colours of the page.
const data = JSON.parse(document.getElementById("curves").textContent);
const place = document.getElementById("plot");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const COLOURS = [
  { light: "#0072b2", dark: "#56b4e9" },
  { light: "#b34700", dark: "#ff9a5c" },
];
const colour = (number) => COLOURS[number][dark.matches ? "dark" : "light"];
const pageColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const percent = (value) => (value === null ? "-" : `${(100 * value).toPrecision(3)} %`);
const ticks = (plot, values) => values.map((value) => (value === null ? "" : percent(value)));
let plot = null;

function axis(label, values) {
  return {
    label,
    values,
    stroke: pageColour("--faint"),
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    grid: { stroke: pageColour("--line"), width: 1 },
    ticks: { stroke: pageColour("--line"), width: 1 },
    size: values ? 64 : 40,
  };
}

function showValue(drawn) {
  const at = drawn.cursor.idx;
  const text =
    at === null || at === undefined
      ? ""
      : `step ${data.step[at]}: held-out ${percent(data.held_out[at])}, ` +
        `training ${percent(data.training[at])}`;
  document.getElementById("value").textContent = text;
}

function draw() {
  if (plot) plot.destroy();
  document.getElementById("key-held-out").style.setProperty("--curve", colour(0));
  document.getElementById("key-training").style.setProperty("--curve", colour(1));
  const series = ["held-out", "training"].map((label, number) => ({
    label,
    stroke: colour(number),
    width: 2 - number,
    points: { show: data.step.length < 3 },
  }));
  plot = new uPlot(
    {
      width: place.clientWidth,
      height: place.clientHeight,
      legend: { show: false },
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis("training step", undefined), axis("error of the labels", ticks)],
      series: [{}, ...series],
      hooks: { setCursor: [showValue] },
    },
    [data.step, data.held_out, data.training],
    place,
  );
}

new ResizeObserver(() => {
  if (plot) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
}).observe(place);
dark.addEventListener("change", draw);
draw();
