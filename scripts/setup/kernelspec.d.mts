export interface KernelSpec {
  argv: string[];
  display_name: string;
  language: string;
  interrupt_mode: string;
}

export function kernelSpec(paths: { root: string }, node?: string): KernelSpec;
