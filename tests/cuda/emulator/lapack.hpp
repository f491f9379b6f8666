#pragma once
// What the stand-ins for cuBLAS and cuSOLVER call, by its own name in the library: other declarations of it do not matter.

namespace emulator {

void blas_dsyrk(const char* uplo, const char* trans, const int* n, const int* k, const double* alpha, const double* a, const int* lda, const double* beta,
                double* c, const int* ldc) __asm__("dsyrk_");
void blas_dgemm(const char* transa, const char* transb, const int* m, const int* n, const int* k, const double* alpha, const double* a, const int* lda,
                const double* b, const int* ldb, const double* beta, double* c, const int* ldc) __asm__("dgemm_");
void lapack_dsyevd(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w, double* work, const int* lwork, int* iwork,
                   const int* liwork, int* info) __asm__("dsyevd_");
void lapack_dgeqrf(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork, int* info) __asm__("dgeqrf_");
void lapack_dgesvd(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* lda, double* s, double* u, const int* ldu,
                   double* vt, const int* ldvt, double* work, const int* lwork, int* info) __asm__("dgesvd_");

}  // namespace emulator
