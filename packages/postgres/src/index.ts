export { PostgresStorage, type PostgresStorageOptions } from './postgres-storage.ts'
export type {
  DrizzleTransaction,
  KyselyTransaction,
  PostgresClient,
  PostgresConnection,
  PostgresInProcess,
  PostgresJsTransaction,
  PostgresNotification,
  PostgresPool,
  PostgresPoolClient,
  PostgresQueryable,
  PostgresQueryTransaction,
  PostgresResult,
  PostgresTransaction,
  PostgresValue,
} from './client.ts'
