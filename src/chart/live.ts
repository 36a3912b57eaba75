import { display, inNotebook } from "../engine/host";
import { paced } from "../log/pace";
import type { TrainerCallback, TrainerState } from "../step/callbacks";
import { drawingBundle, figureBundle } from "./bundle";
import type { Figure } from "./figure";
import { trainingCurves, type TrainingCurvesOptions } from "./training";

export interface LiveChartOptions {
  /** Milliseconds between two drawings at least; 250 by default. */
  every?: number;
}

/** A chart that is redrawn in place while its data grow. */
export interface LiveChart {
  /** Says that the data changed. Draws now or a little later, never more often than the chart's pace. */
  update(): void;
  /** Draws the last state, interactive, in the same place. Later calls do nothing. */
  end(): void;
}

let count = 0;

/**
 * Shows a chart and keeps it up to date. While it lives it is an SVG drawing replaced in place; `end()` puts the whole
 * bundle there, once: JupyterLab then makes a plotly chart of it, which would redraw nothing that came after.
 */
export function liveChart(build: () => Figure, options: LiveChartOptions = {}): LiveChart {
  const displayId = `alignlab-chart-${process.pid}-${++count}`;
  let [shown, last, ended] = [false, "", false];

  const send = (bundle: Record<string, unknown>): void => {
    display(bundle, { displayId, update: shown });
    shown = true;
  };
  const pace = paced(options.every ?? 250, () => {
    const bundle = drawingBundle(build());
    const drawing = String(bundle["image/svg+xml"]);
    if (drawing === last) return;
    last = drawing;
    send(bundle);
  });
  return {
    update() {
      if (!ended && inNotebook()) pace.request();
    },
    end() {
      if (ended) return;
      ended = true;
      pace.cancel();
      send(figureBundle(build()));
    },
  };
}

/** A training run's curves, drawn while it goes on and left interactive at its end. */
export function liveTrainingChart(options: TrainingCurvesOptions & LiveChartOptions = {}): TrainerCallback {
  let state: TrainerState | undefined;
  let chart: LiveChart | undefined;
  const begin = (now: TrainerState): LiveChart => {
    state = now;
    chart ??= liveChart(() => trainingCurves(state!.logHistory, { maxSteps: state!.maxSteps, ...options }), options);
    return chart;
  };
  return {
    onTrainBegin(now) {
      chart = undefined;
      begin(now).update();
    },
    onLog: (now) => begin(now).update(),
    onEvaluate: (now) => begin(now).update(),
    onTrainEnd(now) {
      begin(now).end();
      chart = undefined;
    },
  };
}
