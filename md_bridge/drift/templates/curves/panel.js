// One plot over time, of one quantity of every run.
const NARROW = 600; // px: a finger there moves the page, not the plot
const MOST_VALUES = 24; // rows that fit beside a plot
const FONT = "12px system-ui, sans-serif";

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// nothing is zero on a logarithmic axis
const size = (value) => (value === 0 ? null : Math.abs(value));

// Index of the value in an ascending list that is nearest to another one.
function nearestIndex(list, value) {
  let low = 0;
  let high = list.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle;
    else high = middle;
  }
  return value - list[low] <= list[high] - value ? low : high;
}

class Panel {
  constructor(name) {
    this.name = name;
    this.quantity = data.quantities[name];
    this.place = document.getElementById(name + "-plot");
    this.reset = document.getElementById(name + "-reset");
    this.values = this.place.appendChild(element("div", "values"));
    this.values.hidden = true;
    this.line = element("p", "point");
    this.line.setAttribute("aria-live", "polite"); // read out as the keys go along
    this.point = null; // {run, index}: what the reader points at
    new ResizeObserver(() => this.resize()).observe(this.place);
    this.reset.addEventListener("click", () => this.draw());
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.place.addEventListener("blur", () => this.unpoint());
  }

  get logarithmic() {
    return scale === "log" && this.quantity.size_axis !== null;
  }

  value(run, index) {
    const value = run[this.name].values[index];
    return this.logarithmic ? size(value) : value;
  }

  // From the data, over their whole range.
  draw() {
    if (this.plot) this.plot.destroy();
    this.unpoint();
    this.reset.hidden = true;
    const convert = (value) => (this.logarithmic ? size(value) : value);
    const curves = data.runs.map((run) => run[this.name]);
    const tables = curves.map((curve) => [curve.time, curve.values.map(convert)]);
    const joined = tables.length ? uPlot.join(tables) : [[0, 1]];
    this.plot = new uPlot(this.options(), joined, this.place);
    this.mark = element("div", "mark");
    this.mark.hidden = true;
    this.plot.over.append(this.mark);
    this.plot.over.addEventListener("dblclick", () => (this.reset.hidden = true));
  }

  options() {
    const zoom = window.innerWidth >= NARROW;
    const line = data.several ? 1 : 1.4;
    return {
      width: this.place.clientWidth,
      height: this.place.clientHeight,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false },
        y: {
          distr: this.logarithmic ? 3 : 1,
          range: this.logarithmic ? logarithmicRange : linearRange,
        },
      },
      axes: this.axes(),
      series: [
        {},
        ...data.runs.map((run) => ({
          stroke: colour(run),
          width: line,
          points: { show: false },
          show: shown(run),
        })),
      ],
      cursor: {
        y: false,
        points: { show: false },
        drag: { x: zoom, y: zoom, uni: 30, setScale: zoom },
      },
      hooks: {
        drawAxes: [drawZero],
        setCursor: [(plot) => this.follow(plot.cursor)],
        setSelect: [() => (this.reset.hidden = !zoom)],
      },
    };
  }

  axes() {
    const common = {
      stroke: pageColour("--text"),
      font: FONT,
      labelFont: FONT,
      labelSize: 22,
      grid: { stroke: pageColour("--line"), width: 1 },
      ticks: { stroke: pageColour("--line"), width: 1, size: 5 },
    };
    const title = this.logarithmic ? this.quantity.size_axis : this.quantity.axis;
    const lines = this.logarithmic ? { filter: wholePowers } : {};
    return [
      { ...common, label: data.time_axis, size: 30, space: 60, values: numbers },
      {
        ...common,
        label: title,
        size: labelWidth,
        values: this.logarithmic ? powers : numbers,
        grid: { ...common.grid, ...lines },
        ticks: { ...common.ticks, ...lines },
      },
    ];
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!this.plot || !width || (width === this.plot.width && height === this.plot.height)) return;
    this.unpoint();
    this.plot.setSize({ width, height });
  }

  // Show and hide curves as the legend says.
  choose() {
    this.unpoint();
    this.plot.batch(() => {
      data.runs.forEach((run, number) => this.plot.setSeries(number + 1, { show: shown(run) }));
    });
  }

  // Values of the curve that is nearest to the pointer, and of the others at the same time.
  follow({ left, top }) {
    if (left < 0) this.unpoint();
    else this.show(this.nearest(left, top));
  }

  // The sample of the shown curves that is nearest to a place of the plot.
  nearest(left, top) {
    let found = null;
    let least = Infinity;
    const reach = 20;
    const first = this.plot.posToVal(left - reach, "x");
    const last = this.plot.posToVal(left + reach, "x");
    for (const run of data.runs.filter(shown)) {
      const { time } = run[this.name];
      for (let index = nearestIndex(time, first); index < time.length; index += 1) {
        const at = this.position(run, index);
        const distance = at ? Math.hypot(at.left - left, at.top - top) : Infinity;
        if (distance < least) [found, least] = [{ run, index }, distance];
        if (time[index] > last) break;
      }
    }
    return found;
  }

  position(run, index) {
    const value = this.value(run, index);
    if (value === null) return null;
    const time = run[this.name].time[index];
    return { left: this.plot.valToPos(time, "x"), top: this.plot.valToPos(value, "y") };
  }

  text(run, index) {
    const value = this.value(run, index);
    const time = run[this.name].time[index];
    return `${(value ?? 0).toPrecision(4)} ${this.quantity.unit} at ${time.toFixed(3)} ps`;
  }

  show(point) {
    this.point = point;
    if (point === null) return this.unpoint();
    const { run, index } = point;
    const at = this.position(run, index);
    const inside = at && at.top >= 0 && at.top <= this.plot.over.clientHeight;
    this.mark.hidden = !inside;
    if (inside) Object.assign(this.mark.style, { left: at.left + "px", top: at.top + "px" });
    this.mark.style.setProperty("--curve", colour(run));

    this.line.textContent = this.text(run, index);
    const name = element("p", "name", run.label);
    this.values.replaceChildren(this.line, name, this.others(run, run[this.name].time[index]));
    this.values.style.setProperty("--curve", colour(run));
    this.values.hidden = false;
    this.placeValues(at ? at.left : 0, at ? at.top : 0);
  }

  // Of very many curves only those of the method pointed at.
  others(pointed, time) {
    let runs = data.runs.filter((run) => shown(run) && run !== pointed);
    if (runs.length > MOST_VALUES) runs = runs.filter((run) => run.method === pointed.method);
    const table = element("table");
    for (const run of runs) {
      const row = table.insertRow();
      row.append(element("td", "", run.label));
      row.append(element("td", "", this.text(run, nearestIndex(run[this.name].time, time))));
      row.style.setProperty("--curve", colour(run));
    }
    return table;
  }

  // Beside the point, or where there is no room above or below it.
  placeValues(left, top) {
    const { offsetLeft, offsetTop, clientHeight: height } = this.plot.over;
    Object.assign(this.values.style, { left: 0, top: 0 }); // as wide as it likes
    const { offsetWidth: ownWidth, offsetHeight: ownHeight } = this.values;
    const space = 14;
    const most = this.place.clientWidth - ownWidth;
    const right = offsetLeft + left + space;
    const before = right - ownWidth - 2 * space;
    let x = right <= most ? right : before;
    let y = Math.max(0, Math.min(top - ownHeight / 2, height - ownHeight));
    if (x < 0) {
      x = Math.max(0, Math.min(offsetLeft + left - ownWidth / 2, most));
      y = top < height / 2 ? top + space : top - ownHeight - space;
    }
    Object.assign(this.values.style, { left: x + "px", top: offsetTop + y + "px" });
  }

  unpoint() {
    this.point = null;
    this.values.hidden = true;
    if (this.mark) this.mark.hidden = true;
  }

  // Arrows go along a curve and from one to the next.
  key(event) {
    const along = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const runs = data.runs.filter(shown);
    if (event.key === "Escape") this.unpoint();
    if (!runs.length || (along === undefined && across === undefined)) return;
    event.preventDefault();
    let { run, index } = this.point || { run: runs[0], index: 0 };
    if (this.point && along) {
      const last = run[this.name].time.length - 1;
      index = Math.max(0, Math.min(last, index + along * (event.shiftKey ? 20 : 1)));
    } else if (this.point) {
      const time = run[this.name].time[index];
      run = runs[(runs.indexOf(run) + across + runs.length) % runs.length];
      index = nearestIndex(run[this.name].time, time);
    }
    this.show({ run, index });
  }
}
