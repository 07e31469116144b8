import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFinished, statuses } from '../../src/task/status.ts'

test('done and killed are the two ends', () => {
  assert.deepEqual(statuses.filter(isFinished), ['done', 'killed'])
  assert.equal(statuses.length, 6)
})
