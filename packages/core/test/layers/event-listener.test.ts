import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventListener } from '../../src/layers/event-listener.ts'
import type { EventListener } from '../../src/service/worker-context.ts'

test('gives its listener to the builder, and the builder back', () => {
  const given: EventListener[] = []
  const builder = {
    onEvent(listener: EventListener) {
      given.push(listener)
      return builder
    },
  }
  const listener = () => {}
  assert.equal(eventListener(listener)(builder), builder)
  assert.deepEqual(given, [listener])
})

test('refuses what is no function', () => {
  // @ts-expect-error a listener has to be a function
  assert.throws(() => eventListener(undefined), { code: 'ERR_OPTION', option: 'eventListener' })
})
