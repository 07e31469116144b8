import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../src/backend/backend.ts'
import { systemClock } from '../../src/time/clock.ts'
import { TestClock } from '../../src/testing/test-clock.ts'
import { type BuilderParts, planOf, workerSettings } from '../../src/worker/builder-parts.ts'
import { ListBackend } from './list-backend.ts'

function parts(changes: Partial<BuilderParts> = {}): BuilderParts {
  return {
    name: 'test',
    settings: workerSettings({}),
    backend: new ListBackend([1]),
    data: {},
    extracted: [],
    layers: [],
    listeners: [],
    ackWith: [],
    ...changes,
  }
}

const handler = { call: () => {} }

test('a plan has the defaults', () => {
  const backend = new ListBackend([1])
  const { layers, ...plan } = planOf(parts({ backend }), handler)
  assert.deepEqual(plan, {
    name: 'test',
    backend,
    clock: systemClock,
    data: {},
    handler,
    listeners: [],
    ackWith: [],
    claimBatch: 1_000,
    acknowledgementBuffer: 10_000,
    abortGraceMs: 1_000,
    longRunAfterMs: 300_000,
    eventBuffer: 10_000,
  })
  assert.deepEqual(
    layers.map(({ name }) => name),
    ['middleware', 'concurrency'],
  )
})

test("the clock is the builder's, else the backend's, else the system's", () => {
  const ofBackend = new TestClock()
  const ofBuilder = new TestClock()
  const backend = new ListBackend([1], { clock: ofBackend })
  assert.equal(planOf(parts({ backend }), handler).clock, ofBackend)
  const settings = workerSettings({ clock: ofBuilder })
  assert.equal(planOf(parts({ backend, settings }), handler).clock, ofBuilder)
})

test('onBackendError is there only where it was given', () => {
  assert.equal('onBackendError' in planOf(parts(), handler), false)
  const onBackendError = () => 'end' as const
  assert.equal(planOf(parts({ onBackendError }), handler).onBackendError, onBackendError)
})

test('a backend needs no middleware', () => {
  const backend: Backend<unknown> = { name: 'bare', poll: () => new ListBackend([1]).poll() }
  const { layers } = planOf(parts({ backend }), handler)
  assert.deepEqual(
    layers.map(({ name }) => name),
    ['concurrency'],
  )
})
