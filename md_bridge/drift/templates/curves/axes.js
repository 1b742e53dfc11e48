// Numbers, ranges and lines of the axes.
const LABEL_WIDTH = 40; // px, at least: the plots stand in line

const SUPERSCRIPTS = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].entries()) };

function power(value) {
  const [digits, exponent] = value.toExponential(0).split("e").map(Number);
  if (exponent === 0 || exponent === 1) return String(digits * 10 ** exponent);
  const ten = "10" + [...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join("");
  return digits === 1 ? ten : digits + "·" + ten;
}

// As many decimals as the distance of the ticks has.
function decimals(distance) {
  let count = 0;
  while (count < 12 && Math.abs(distance - Number(distance.toFixed(count))) > 1e-6 * distance) {
    count += 1;
  }
  return count;
}

// Of the ticks of a logarithmic axis those at powers of ten, if there are some; null for others.
function wholePowers(plot, ticks) {
  const whole = ticks.map((tick) => (tick && power(tick).startsWith("1") ? tick : null));
  return whole.filter(Boolean).length > 1 ? whole : ticks;
}

const powers = (plot, ticks) => wholePowers(plot, ticks).map((tick) => (tick ? power(tick) : ""));
const numbers = (plot, ticks, axis, space, distance) =>
  ticks.map((tick) => tick.toFixed(decimals(distance)).replace("-", "−"));

// Room for the widest label.
function labelWidth(plot, labels, index, cycle) {
  const axis = plot.axes[index];
  if (cycle > 1) return axis._size;
  plot.ctx.font = axis.font[0];
  const widths = (labels || []).map((label) => plot.ctx.measureText(label).width);
  const widest = Math.max(LABEL_WIDTH * devicePixelRatio, ...widths);
  return Math.ceil(widest / devicePixelRatio) + axis.ticks.size + axis.gap;
}

function linearRange(plot, low, high) {
  if (low === null) return [0, 1];
  const margin = 0.05 * (high - low) || 0.1 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}

function logarithmicRange(plot, low, high) {
  if (low === null) return [0.1, 1];
  return [low / (high / low) ** 0.05 / 1.05, high * (high / low) ** 0.05 * 1.05];
}

function drawZero(plot) {
  const { min, max, distr } = plot.scales.y;
  if (distr === 3 || min > 0 || max < 0) return;
  const { left, width } = plot.bbox;
  const y = Math.round(plot.valToPos(0, "y", true));
  plot.ctx.fillStyle = pageColour("--faint");
  plot.ctx.fillRect(left, y, width, Math.max(1, devicePixelRatio));
}
