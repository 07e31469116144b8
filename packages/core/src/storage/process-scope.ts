/**
 * What the workers of one process share: the permit to run a suspect. A process that dies takes its neighbours with it, so
 * only a task that was the one suspect of a process that died can be blamed.
 */
export class ProcessScope {
  #holder: object | undefined
  readonly #waiting = new Set<() => void>()

  /** Whether nobody has the permit. */
  get free(): boolean {
    return this.#holder === undefined
  }

  /** Takes the permit for `holder`; false when another has it. */
  take(holder: object): boolean {
    if (this.#holder !== undefined) return false
    this.#holder = holder
    return true
  }

  /** Gives the permit back, if `holder` has it. */
  give(holder: object): void {
    if (this.#holder !== holder) return
    this.#holder = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const callback of waiting) callback()
  }

  /** Calls back once when the permit is given back. The answer takes the callback off. */
  onFree(callback: () => void): () => void {
    this.#waiting.add(callback)
    return () => {
      this.#waiting.delete(callback)
    }
  }
}

/** The scope of this process, one also where two copies of the package are loaded. */
export const thisProcess: ProcessScope = processWide(
  'apalis.process-scope',
  () => new ProcessScope(),
)

function processWide<Value>(name: string, make: () => Value): Value {
  const key = Symbol.for(name)
  // The registry symbol is ours, so what stands under it is what an earlier copy put there.
  const registry = globalThis as unknown as Record<symbol, Value | undefined>
  return (registry[key] ??= make())
}
