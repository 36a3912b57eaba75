/** HTML that reads in JupyterLab's light and dark themes, and without JupyterLab's colours elsewhere. */

export const BORDER = "var(--jp-border-color2, rgba(128,128,128,0.4))";
export const HEAD_GROUND = "var(--jp-layout-color2, rgba(128,128,128,0.15))";
export const TRACK = "var(--jp-layout-color3, rgba(128,128,128,0.3))";
export const ACCENT = "var(--jp-brand-color1, #0072b2)";
export const FAINT = "var(--jp-content-font-color2, #767676)";

/** A text as HTML shows it. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** One element with its style; `content` is HTML already. */
export function tag(name: string, style: Record<string, string>, content: string, attributes = ""): string {
  const written = Object.entries(style).map(([property, value]) => `${property}: ${value}`).join("; ");
  return `<${name}${attributes} style="${written}">${content}</${name}>`;
}

/** A time span in words: "42 s", "3 min 05 s", "1 h 20 min". */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
