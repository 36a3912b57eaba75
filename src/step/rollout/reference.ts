import type { Tensor, Variable } from "@tensorflow/tfjs";
import { BUCKETED } from "../../engine/buckets";
import { jit, type JitFunction } from "../../engine/jit";
import type { Precision } from "../../engine/recorder";
import { answerScores, rolloutTensorsFrom } from "../../loss/rollouts";
import type { LlamaForCausalLM } from "../../model/llama";
import { FrozenLora, Lora } from "../../model/lora";

/**
 * π_ref of rollouts: a model of its own, or the policy as it is when training begins. Of the policy a copy is made then, of
 * a policy under an adapter one of the adapter alone.
 */
export class RolloutReference {
  private copy: LlamaForCausalLM | null = null;
  private frozen: FrozenLora | null = null;
  /** Log-probabilities of packed answers, [predictions]. */
  readonly logps: JitFunction<Tensor[], Tensor>;

  constructor(private readonly policy: LlamaForCausalLM, private readonly given: LlamaForCausalLM | undefined, temperature: number, precision: Precision) {
    this.logps = jit((...tensors: Tensor[]) => {
      const logps = (): Tensor => answerScores(this.copy ?? given ?? policy, rolloutTensorsFrom(tensors), temperature).logps;
      return this.frozen ? this.frozen.during(logps) : logps();
    }, { precision, name: "reference_logps", expectedTraces: BUCKETED });
  }

  /** Weights as they are before training that the reference's numbers depend on. */
  get origin(): ReadonlyMap<string, Variable> {
    const model = this.given ?? this.policy;
    return new Map([...model.parameters, ...(model.adapter?.parameters ?? [])]);
  }

  /** Called before the policy changes. */
  async freeze(): Promise<void> {
    if (this.given || this.copy || this.frozen) return;
    if (this.policy.adapter instanceof Lora) this.frozen = new FrozenLora(this.policy, this.policy.adapter);
    else this.copy = await this.policy.clone();
    // What was traced with the policy itself would follow its training.
    this.logps.dispose();
  }

  dispose(): void {
    this.logps.dispose();
    this.frozen?.dispose();
    this.copy?.dispose();
  }
}
