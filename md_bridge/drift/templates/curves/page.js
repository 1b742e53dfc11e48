// The plots of the page, the names of the runs and the switch of the axis.
const panels = Object.keys(data.quantities).map((name) => new Panel(name));
const methods = [...new Set(data.runs.map((run) => run.method))];
const legend = document.getElementById("legend");

const names = methods.map((method) => {
  const button = element("button", "", method);
  button.type = "button";
  button.addEventListener("click", () => {
    if (!hidden.delete(method)) hidden.add(method);
    choose();
  });
  button.addEventListener("dblclick", () => {
    const alone = hidden.size === methods.length - 1 && !hidden.has(method);
    hidden.clear();
    if (!alone) methods.filter((other) => other !== method).forEach((other) => hidden.add(other));
    choose();
  });
  legend.append(button);
  return button;
});

function label() {
  names.forEach((button, number) => {
    const run = data.runs.find((run) => run.method === methods[number]);
    button.style.setProperty("--curve", colour(run));
    button.setAttribute("aria-pressed", String(shown(run)));
  });
}

function choose() {
  label();
  for (const panel of panels) panel.choose();
}

const scales = ["linear", "log"].map((name) => {
  const button = document.getElementById("scale-" + name);
  button.addEventListener("click", () => {
    scale = name;
    press();
    for (const panel of panels.filter((panel) => panel.quantity.size_axis)) panel.draw();
  });
  return button;
});

function press() {
  for (const button of scales) {
    button.setAttribute("aria-pressed", String(button.id === "scale-" + scale));
  }
}

function draw() {
  label();
  press();
  for (const panel of panels) panel.draw();
}

dark.addEventListener("change", draw);
draw();
