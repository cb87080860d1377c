export { type TestDomain, createTestDomain } from '../../../../core/verifier/test/fixture.ts'
