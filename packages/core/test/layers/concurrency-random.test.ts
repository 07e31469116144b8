import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { asRun } from '../../src/service/request.ts'
import type { Service, TaskRequest } from '../../src/service/service.ts'
import { turn } from '../../src/time/clock.ts'
import { type TestRequest, testRequest } from '../../src/testing/test-request.ts'

/** A call that has begun and not ended. */
type Running = (how: 'result' | 'throw') => void

/** Three users of one layer, whose calls end as the seeded generator says. */
class Scene {
  readonly random: () => number
  readonly layer = concurrency(5)
  readonly services: readonly Service<TaskRequest, unknown>[]
  readonly running: Running[] = []
  readonly requests: TestRequest<number>[] = []
  started = 0
  settled = 0
  begun = 0
  ended = 0

  constructor(seed: number) {
    this.random = mulberry32(seed)
    this.services = [1, 2, 3].map(() => this.layer({ call: (request) => this.#begin(request) }))
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.random() * items.length)]
    assert.ok(item !== undefined)
    return item
  }

  call(): void {
    this.started += 1
    const request = testRequest(this.started)
    this.requests.push(request)
    const settle = (): void => {
      this.settled += 1
    }
    try {
      Promise.resolve(this.pick(this.services).call(request)).then(settle, settle)
    } catch {
      settle()
    }
  }

  /** Ends what runs, as a handler does. */
  end(): void {
    if (this.running.length > 0) this.pick(this.running)(this.random() < 0.5 ? 'result' : 'throw')
  }

  /** Aborts a call, whether it runs, waits or has ended. */
  abort(): void {
    if (this.requests.length > 0) this.pick(this.requests).abort(new Error('aborted'))
  }

  #begin(request: TaskRequest): unknown {
    this.begun += 1
    const kind = this.random()
    if (kind < 0.2) {
      this.ended += 1
      return 'result'
    }
    if (kind < 0.3) {
      this.ended += 1
      throw new Error('thrown')
    }
    return new Promise((resolve, reject) => {
      const run: Running = (how) => {
        const index = this.running.indexOf(run)
        if (index < 0) return
        this.running.splice(index, 1)
        this.ended += 1
        if (how === 'result') resolve('result')
        else reject(new Error('thrown'))
      }
      this.running.push(run)
      asRun(request).cancellation.onAbort(() => run('throw'))
    })
  }
}

test('permits are conserved in 10,000 random steps', async () => {
  const scene = new Scene(20_260_101)
  const { layer } = scene
  const seen = { above: 0, full: 0, waiting: 0 }
  for (let step = 0; step < 10_000; step += 1) {
    const before = layer.inFlight
    const kind = scene.random()
    if (kind < 0.4) scene.call()
    else if (kind < 0.7) scene.end()
    else if (kind < 0.75) scene.abort()
    else if (kind < 0.8) layer.limit = 1 + Math.floor(scene.random() * 8)
    else if (kind < 0.9) void scene.pick(scene.services).ready?.(AbortSignal.abort())
    else await turn()

    const { limit, inFlight } = layer
    assert.ok(inFlight >= scene.running.length, 'more calls run than there are permits taken')
    assert.ok(inFlight <= Math.max(limit, before), 'a permit was taken above the limit')
    for (const service of scene.services) {
      const capacity = service.capacity?.() ?? -1
      assert.ok(capacity >= 0 && capacity <= Math.max(0, limit - inFlight), `capacity ${capacity}`)
    }
    if (inFlight > limit) seen.above += 1
    if (inFlight === limit) seen.full += 1
    if (scene.begun < scene.started) seen.waiting += 1
  }
  layer.limit = 8
  while (scene.settled < scene.started) {
    scene.end()
    await turn()
  }
  assert.equal(layer.inFlight, 0)
  assert.equal(scene.ended, scene.begun)
  for (const service of scene.services) assert.equal(service.capacity?.(), 8)
  // The steps met what they are for.
  assert.ok(Math.min(seen.above, seen.full, seen.waiting) > 100, JSON.stringify(seen))
})

test('whoever waits for a permit gets one, whatever the others do', async () => {
  const scene = new Scene(7)
  const { layer, services } = scene
  layer.limit = 2
  let woken = 0
  const waiters = services.map(async (service) => {
    for (let times = 0; times < 100; times += 1) {
      await service.ready?.(new AbortController().signal)
      woken += 1
      // Every second one does not use what it was woken for.
      if (times % 2 === 0) scene.call()
      await turn()
    }
  })
  const done = Promise.all(waiters).then(() => true)
  while (!(await Promise.race([done, turn()]))) scene.end()
  assert.equal(woken, 300)
})

/** A small seeded generator of numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
