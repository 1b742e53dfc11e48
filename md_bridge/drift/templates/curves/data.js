// The curves, from the JSON in #series, and their colours on the page.
const data = JSON.parse(document.getElementById("series").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

const hidden = new Set(); // methods
let scale = data.scale;

const colour = (run) => (dark.matches ? run.dark : run.light);
const pageColour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const shown = (run) => !hidden.has(run.method);

// The times of a curve (ps), written out or as steps of the run's interval.
function times(curve, interval) {
  if (curve.time) return curve.time;
  let sample = 0;
  return curve.steps.map((step) => Number(((sample += step) * interval).toPrecision(6)));
}

for (const run of data.runs) {
  for (const name in data.quantities) run[name].time = times(run[name], run.interval);
}
