import type { StandardSchemaV1 } from '../../codec/standard-schema.ts'

/** What the schema of the cases accepts. */
export interface Order {
  readonly n: number
}

/** A Standard Schema of our own, so that the suite needs no library: an object whose `n` is a whole number. */
export const orderSchema: StandardSchemaV1<Order, Order> = {
  '~standard': {
    version: 1,
    vendor: 'apalis-conformance',
    validate(value) {
      const n = typeof value === 'object' && value !== null && 'n' in value ? value.n : undefined
      return typeof n === 'number' && Number.isInteger(n)
        ? { value: { n } }
        : { issues: [{ message: 'n is not a whole number', path: ['n'] }] }
    },
  },
}
