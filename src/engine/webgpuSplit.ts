export function splitLargeTensors(..._: unknown[]): void {}
