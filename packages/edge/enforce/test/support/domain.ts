export {
  createTestDomain,
  type TestClaims,
  type TestDomain,
  type TestToken,
} from '../../../../core/verifier/test/fixture.ts'
