import type { Calls } from './calls.ts'
import { within } from './deadline.ts'
import { GivenUp, type Link } from './link.ts'
import { type Look, Poller } from './poller.ts'
import { Signals } from './signals.ts'

/** What {@link Hearing} works with. */
export interface HearingDeps {
  readonly link: Link
  readonly calls: Calls
  readonly schema: string
  readonly timeoutMs: number
  /** Whether it can be told of what others do; `auto`: that is tried where there may be a pooler between. */
  readonly listen: boolean | 'auto'
  /** What statements add to the server's time, in milliseconds. */
  readonly clockOffset: () => number
}

/** A message that takes longer to come back does not, in milliseconds. */
const PROBE_MS = 1_000
/** What cannot be sent within so many milliseconds of the end is not. */
const LAST_MS = 1_000

/** How a storage hears of what others do: it is told by the server, or looks where nobody can be told. */
export class Hearing {
  readonly signals: Signals
  readonly #deps: HearingDeps
  readonly #pollers = new Set<Poller>()
  /** Nothing is heard here. */
  #deaf = false

  constructor(deps: HearingDeps) {
    this.#deps = deps
    this.signals = new Signals({
      sender: crypto.randomUUID(),
      send: (payload) => this.#send(payload),
    })
  }

  /** Hears until disposed; what is heard goes to the signals. `onEnd`: it has ended by itself. */
  async begin(onEnd: (error: unknown) => void): Promise<AsyncDisposable> {
    const { link, schema, timeoutMs, listen } = this.#deps
    if (listen !== false && !this.#deaf) {
      const onMessage = (payload: string | undefined): void => this.signals.heard(payload)
      const listening = await link.listen(schema, { onMessage, onEnd }, { timeoutMs })
      const told = listen === true || link.direct || (await this.#isHeard())
      if (told) return listening
      // A pooler stands between, whose connections change with every transaction.
      this.#deaf = true
      await listening[Symbol.asyncDispose]()
    }
    return this.#look(onEnd)
  }

  /** The end of these tasks is waited for. */
  watch(queue: string, ids: readonly string[]): void {
    for (const poller of this.#pollers) poller.watch(queue, ids)
  }

  /** Nobody here is told anything any more. What was told by now goes out, unless that takes long. */
  async close(): Promise<void> {
    for (const poller of this.#pollers) poller.stop()
    const late = (): Error => new GivenUp(`nothing was sent within ${LAST_MS} ms`, true)
    // A hint that is lost, as everywhere.
    await within(this.signals.close(), LAST_MS, late).catch(() => {})
  }

  async #look(onEnd: (error: unknown) => void): Promise<AsyncDisposable> {
    const poller = new Poller({
      look: async (watched, since) => {
        const { calls, clockOffset } = this.#deps
        const queues = watched.map(({ queue }) => queue)
        const ids = watched.map(({ id }) => id)
        const look = await calls.json('listen', 'look_1', [queues, ids, since, clockOffset()])
        // As the function makes it.
        return look as Look
      },
      tell: (signals) => this.signals.deliver(signals),
      onEnd: (error) => {
        this.#pollers.delete(poller)
        onEnd(error)
      },
    })
    await poller.start()
    this.#pollers.add(poller)
    return {
      [Symbol.asyncDispose]: async () => {
        this.#pollers.delete(poller)
        poller.stop()
      },
    }
  }

  /** Whether what is sent on one connection is heard on another. */
  #isHeard(): Promise<boolean> {
    return this.signals.probe((payload) => this.#send(payload), PROBE_MS)
  }

  #send(payload: string): Promise<unknown> {
    const { link, schema, timeoutMs } = this.#deps
    return link.run('SELECT pg_notify($1, $2)', [schema, payload], { timeoutMs })
  }
}
