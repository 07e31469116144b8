// A test of a layer, without a worker.
// #region test
import assert from 'node:assert/strict'
import { isTimeoutError, type TaskRequest, timeout } from '@apalis/core'
import { mockService, TestClock, testRequest } from '@apalis/core/testing'

const clock = new TestClock()
const inside = mockService<TaskRequest, string>()
const service = timeout('30s')(inside.service)

const result = Promise.resolve(service.call(testRequest('args', { clock })))
const call = await inside.request()
assert.equal(call.request.signal.aborted, false)
// Half a minute passes at once.
const expired = assert.rejects(result, isTimeoutError)
await clock.advance('30s')
assert.equal(call.request.signal.aborted, true)
call.fail(call.request.signal.reason)
await expired
// #endregion
console.log('it times out')

// Output:
// it times out
