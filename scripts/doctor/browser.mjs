import { findPython } from '../setup/python.mjs';
import { CHROMIUM_PLACES } from './browsers.mjs';
import { advise, ok } from './row.mjs';
import { ask, lastJson, lastLine } from './system.mjs';

/** Which browser JupyterLab opens is for Python's webbrowser to say. */
const SCRIPT = `
import json, webbrowser
try:
    browser = webbrowser.get()
    name = getattr(browser, "name", type(browser).__name__)
except webbrowser.Error:
    name = None
print(json.dumps({"name": name}))
`;

/** The browser that npm start opens, and the one of the browser tests. */
export async function browserProbe({ system, environment, paths, venvVersion }) {
  const test = CHROMIUM_PLACES.find((place) => system.exists(place));
  const forTests = test ? `the tests' is ${test}` : 'none for the tests';
  const opened = await openedBrowser({ environment, paths, venvVersion });
  const found = `${opened ? `npm start opens ${opened}` : 'none that npm start could open'}, ${forTests}`;
  const values = { opens: opened ?? null, tests: test ?? null };
  if (!opened) return advise(found, 'Copy the address with its token from the terminal into a browser (on WSL2: of Windows); npm start -- --no-browser expects that.', values);
  if (!test) return advise(found, 'Only the browser tests need it, which are left out otherwise (Debian and Ubuntu: sudo apt-get install chromium).', values);
  return ok(found, values);
}

async function openedBrowser({ environment, paths, venvVersion }) {
  const python = venvVersion ? paths.venvPython : findPython({ environment }).command;
  const { code, output } = await ask(python, ['-I', '-c', SCRIPT], { environment, seconds: 30 });
  const answer = code === 0 ? lastJson(output) : undefined;
  if (!answer) throw new Error(`Python could not say which browser it opens: ${lastLine(output)}`);
  return answer.name ?? undefined;
}
