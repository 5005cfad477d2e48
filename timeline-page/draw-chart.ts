import type { Pen } from "./draw.ts";
import type { Chart } from "./rows.ts";
import type { View } from "./view.ts";

/** Above the lines, for their names. */
const TEXT_HEIGHT = 19;

/** Lines in steps: a number holds until it is looked at again. */
export function drawChart({ canvas, colour }: Pen, chart: Chart, y: number, height: number, view: View): void {
  const [top, bottom] = [y + TEXT_HEIGHT, y + height - 4];
  const scale = chart.most === 0 ? 0 : (bottom - top) / chart.most;
  canvas.lineWidth = 1.5;
  for (const { colour: name, values } of chart.lines) {
    canvas.beginPath();
    chart.times.forEach((ms, i) => {
      const next = chart.times[i + 1] ?? ms;
      if (next < view.fromMs || ms > view.toMs) return;
      const level = bottom - (values[i] ?? 0) * scale;
      canvas.lineTo(view.xOf(ms), level);
      canvas.lineTo(view.xOf(next), level);
    });
    canvas.strokeStyle = colour(name);
    canvas.stroke();
  }
  let x = view.left + 8;
  const say = (text: string, name: string): void => {
    canvas.fillStyle = colour(name);
    canvas.fillText(text, x, y + TEXT_HEIGHT / 2);
    x += canvas.measureText(text).width + 12;
  };
  for (const { name, colour: own } of chart.lines) say(name, own);
  say(`at most ${chart.format(chart.most)}`, "dim");
}
