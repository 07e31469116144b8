import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concurrency } from '../../src/layers/concurrency.ts'
import { optional } from '../../src/layers/optional.ts'
import type { Layer } from '../../src/service/service.ts'

test('gives the layer itself, with what it says of itself', () => {
  const limit = concurrency(4)
  assert.equal(optional(limit), limit)
})

test('without a layer it gives the service itself', () => {
  const service = { call: () => 5 }
  const layer = optional<Layer>(undefined)
  assert.equal(layer(service), service)
  assert.equal(layer.layerName, 'optional')
})

test('refuses what is no layer', () => {
  // @ts-expect-error a condition is no layer
  assert.throws(() => optional(false), { code: 'ERR_OPTION', option: 'optional' })
})
