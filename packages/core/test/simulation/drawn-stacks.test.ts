import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { drawnStacks } from '../../src/testing/simulation/drawn-stacks.ts'
import { Random } from '../../src/testing/simulation/random.ts'
import { simulation } from '../../src/testing/simulation/simulation.ts'
import type { SimulatedBuilder, SimulatedJob } from '../../src/testing/simulation/stacks.ts'
import { WorkerBuilder } from '../../src/worker/worker-builder.ts'
import { memoryHarness } from '../conformance/harnesses.ts'
import { long } from '../long.ts'

test('whatever layers there are, and in whatever order, no invariant breaks', async (t) => {
  const seeds = long ? 1_000 : 60
  const { events, runs } = await simulation({ harness: memoryHarness, stacks: drawnStacks, seeds })
  t.diagnostic(`${seeds} seeds: ${events} events, ${runs} runs of handlers`)
})

test('every layer is drawn, early and late', () => {
  const first = new Set<string>()
  const last = new Set<string>()
  for (const stack of drawnStacks) {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Random(`stack ${seed}`)
      const queue = new MemoryStorage().queue<SimulatedJob, number>('q')
      const tools = {
        queue,
        random: () => random.next(),
        shared: <Value>(make: () => Value) => make(),
      }
      let builder: SimulatedBuilder = new WorkerBuilder('w').backend(queue)
      for (const step of stack.steps?.(tools) ?? []) builder = step(builder)
      const names = builder.build(() => 1).context.layers.map(({ name }) => name)
      assert.ok(names.includes('concurrency'))
      first.add(names[0] ?? '')
      last.add(names.at(-1) ?? '')
    }
  }
  const drawn = [
    'acknowledge',
    'circuitBreaker',
    'concurrency',
    'extract',
    'filter',
    'loadShed',
    'logging',
    'mapError',
    'mapRequest',
    'mapResult',
    'optional',
    'passing',
    'rateLimit',
    'retry',
    'tap',
    'timeout',
    'tracing',
  ]
  assert.deepEqual([...first].toSorted(), [...drawn, 'longRunning'].toSorted())
  // Inside of it stands what uses it.
  assert.deepEqual([...last].toSorted(), [...drawn, 'spawning'].toSorted())
})
