// A source like SQS as a backend: messages are visible again after a while unless they are deleted.
import { setTimeout } from 'node:timers/promises'
import { type Beat, concurrency, CustomBackend, poll, WorkerBuilder } from '@apalis/core'

interface Message {
  readonly id: string
  readonly body: string
  readonly receipt: string
  readonly receiveCount: number
}

/** A broker in this process. It delivers some messages twice, as brokers do. */
class Broker {
  readonly #messages: { id: string; body: string; receipt: string; count: number; at: number }[] =
    []
  deliveries = 0

  async send(bodies: readonly string[]): Promise<void> {
    for (const body of bodies) {
      const id = `m${this.#messages.length}`
      this.#messages.push({ id, body, receipt: '', count: 0, at: 0 })
    }
  }

  async receive(most: number, visibilityMs: number): Promise<Message[]> {
    const now = performance.now()
    const visible = this.#messages.filter(({ at }) => at <= now).slice(0, most)
    return visible.map((message) => {
      this.deliveries += 1
      message.count += 1
      message.receipt = `${message.id}-${message.count}`
      // Every tenth stays visible: it comes again although somebody has it.
      message.at = this.deliveries % 10 === 0 ? 0 : now + visibilityMs
      const { id, body, receipt, count } = message
      return { id, body, receipt, receiveCount: count }
    })
  }

  /** Says of each whether its receipt was the last one. */
  async delete(receipts: readonly string[]): Promise<boolean[]> {
    return receipts.map((receipt) => {
      const index = this.#messages.findIndex((message) => message.receipt === receipt)
      if (index >= 0) this.#messages.splice(index, 1)
      return index >= 0
    })
  }

  async changeVisibility(receipt: string, visibilityMs: number): Promise<void> {
    const message = this.#messages.find((one) => one.receipt === receipt)
    if (message !== undefined) message.at = performance.now() + visibilityMs
  }

  get size(): number {
    return this.#messages.length
  }
}

const broker = new Broker()
await broker.send(Array.from({ length: 100 }, (_, n) => JSON.stringify({ n })))

// #region backend
const VISIBLE_AFTER_MS = 30_000
// By incarnation: what a lost one had is kept no longer, and becomes visible again.
const held = new Map<string, Set<string>>()

const orders = new CustomBackend<{ readonly n: number }, unknown, { readonly receipt: string }>({
  name: 'orders',
  poll: poll.backoff({ initial: '5ms', max: '20s' }),
  async fetch({ limit, worker }) {
    const messages = await broker.receive(Math.min(limit, 10), VISIBLE_AFTER_MS)
    return messages.map(({ id, body, receipt, receiveCount }) => {
      held.get(worker.id)?.add(receipt)
      return { id, stored: body, attempt: receiveCount, attempts: 10, context: { receipt } }
    })
  },
  // What is done or killed is deleted; the rest becomes visible again, after its wait.
  async settle(settlements) {
    return Promise.all(
      settlements.map(async ({ task, outcome }) => {
        const { receipt } = task.parts.context
        for (const receipts of held.values()) receipts.delete(receipt)
        if (outcome.type === 'done' || outcome.type === 'killed') {
          const [deleted] = await broker.delete([receipt])
          return deleted === true ? 'applied' : 'stale'
        }
        const waitMs = outcome.type === 'failed' ? outcome.retryIn : outcome.dueIn
        await broker.changeVisibility(receipt, waitMs)
        return 'applied'
      }),
    )
  },
  // What a worker has stays invisible for as long as it runs.
  async *heartbeat({ id }, signal): AsyncGenerator<Beat> {
    const receipts = held.get(id) ?? new Set()
    held.set(id, receipts)
    while (!signal.aborted) {
      for (const receipt of receipts) await broker.changeVisibility(receipt, VISIBLE_AFTER_MS)
      yield { trustMs: VISIBLE_AFTER_MS * 0.8, paused: false, revoked: [] }
      await setTimeout(VISIBLE_AFTER_MS / 3, undefined, { signal }).catch(() => {})
    }
    held.delete(id)
  },
})
// #endregion

// The effect of a message happens once, however often it comes: its id is the key.
const effects = new Map<string, number>()
let runs = 0
const worker = new WorkerBuilder('shop')
  .backend(orders)
  .layer(concurrency(5))
  .build(async ({ n }, { id, attempt }) => {
    runs += 1
    await setTimeout(1)
    if (n % 7 === 0 && attempt === 1) throw new Error('the shop is closed')
    effects.set(id, n)
  })

const empty = new AbortController()
const backoff = worker.runUntil(empty.signal)
while (broker.size > 0) await setTimeout(5)
empty.abort()
await backoff
console.log(`${effects.size} effects`)
console.log(broker.deliveries > 100 && runs > 100 ? 'of more deliveries' : 'of as many')

// Output:
// 100 effects
// of more deliveries
