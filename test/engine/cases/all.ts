import { arrangements } from "./arrangements";
import { axisCases } from "./axes";
import type { OpCase } from "./case";
import { elementwise } from "./elementwise";
import { images } from "./images";
import { products } from "./products";
import { stepCases } from "./steps";

export const OP_CASES: readonly OpCase[] = [...elementwise, ...axisCases, ...products, ...arrangements, ...images, ...stepCases];
