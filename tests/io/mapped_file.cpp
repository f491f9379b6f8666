#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/sigbus_guard.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;

namespace {

std::size_t sum(const mapped_file& file)
{
    std::size_t total = 0;
    for (const std::byte b : file.bytes())
        total += static_cast<std::size_t>(b);
    return total;
}

// Reads behind the end of a file that no mapped_file holds, in a process of its own; returns how that ended.
template <class Prepare>
int status_of_foreign_fault(const std::filesystem::path& path, Prepare prepare)
{
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit no_core = {0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        prepare();
        const int descriptor = ::open(path.c_str(), O_RDONLY);
        const auto* bytes =
            static_cast<const volatile char*>(::mmap(nullptr, 65536, PROT_READ, MAP_PRIVATE, descriptor, 0));
        ::_exit(bytes[60000]);  // not reached
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace

TEST_CASE("a mapped file can hold bytes that are in memory")
{
    const mapped_file file("entry", {std::byte{1}, std::byte{2}});
    CHECK(file.path() == "entry");
    CHECK(sum(file) == 3);
    file.verify();
    CHECK(message<io_error>([] { mapped_file("entry", {}); }) == "entry: is empty (0 bytes); download or write it again");
}

TEST_CASE("a mapped file shows the bytes of the file")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "a.bin", "hello");
    const mapped_file file(path);
    CHECK(file.path() == path);
    CHECK(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()) == "hello");
    CHECK_NOTHROW(file.verify());
}

TEST_CASE("a file that is missing, a folder, empty or a pipe is refused")
{
    const files::temporary_folder folder;
    const std::string f = folder.path().string();
    CHECK(message<io_error>([&] { mapped_file(folder / "none"); }) == f + "/none: no such file; check the path");

    files::write(folder / "file", "x");
    CHECK(message<io_error>([&] { mapped_file(folder / "file/below"); })
          == f + "/file/below: no such file; check the path");
    CHECK(message<io_error>([&] { mapped_file(folder.path()); }) == f + ": is a folder; expected a file");

    files::write(folder / "empty", "");
    CHECK(message<io_error>([&] { mapped_file(folder / "empty"); })
          == f + "/empty: is empty (0 bytes); download or write it again");

    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(message<io_error>([&] { mapped_file(folder / "pipe"); }) == f + "/pipe: is no regular file; expected one");
    CHECK(message<io_error>([&] { mapped_file("/dev/null"); }) == "/dev/null: is no regular file; expected one");
}

TEST_CASE("a file that must not be read is refused")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "secret", "x");
    REQUIRE(::chmod(path.c_str(), 0) == 0);
    const bool root = ::geteuid() == 0;
    if (root && ::seteuid(65534) != 0) {  // root may read everything
        WARN("skipped: cannot stop being root");
        return;
    }
    const std::string text = message<io_error>([&] { mapped_file{path}; });
    if (root)
        REQUIRE(::seteuid(0) == 0);
    CHECK(text == path.string() + ": cannot be opened: Permission denied");
}

TEST_CASE("reading a file that shrinks while it is mapped is an error, not a crash")
{
    const files::temporary_folder folder;
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto path = files::write(folder / "model", std::string(4 * page, '\1'));
    const mapped_file file(path);
    CHECK(sum(file) == 4 * page);

    std::filesystem::resize_file(path, page);
    CHECK(sum(file) == page);  // what is gone reads as zeros
    const std::string expected = path.string() + ": shrank from " + std::to_string(4 * page) + " to "
                                 + std::to_string(page)
                                 + " bytes while it was being read; wait until nothing writes to it and read it again";
    CHECK(message<io_error>([&] { file.verify(); }) == expected);
    // whatever the reader makes of it, returns or throws
    CHECK(message<io_error>([&] { detail::read_verified(&file, [&] { return sum(file); }); }) == expected);
    CHECK(message<io_error>([&] { detail::read_verified(&file, [] { throw std::logic_error("?"); }); }) == expected);

    // back at its old size: the zeros are still there, and remembered
    std::filesystem::resize_file(path, 4 * page);
    CHECK(message<io_error>([&] { file.verify(); })
          == path.string() + ": changed or could not be read while it was being read; make sure that nothing writes to it and "
                             "read it again");
    CHECK_NOTHROW(mapped_file(path).verify());
}

TEST_CASE("a file that shrinks within its last page is noticed without a fault")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "model", "0123456789");
    const mapped_file file(path);
    std::filesystem::resize_file(path, 4);
    CHECK(message<io_error>([&] { file.verify(); })
          == path.string() + ": shrank from 10 to 4 bytes while it was being read; wait until nothing writes to it and read "
                             "it again");
}

TEST_CASE("a mapped file survives being deleted, replaced and appended to")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "model", std::string(100, '\1'));
    const mapped_file file(path);
    std::filesystem::rename(files::write(folder / "new", "x"), path);
    CHECK(sum(file) == 100);
    CHECK_NOTHROW(file.verify());
    std::filesystem::remove(path);
    CHECK_NOTHROW(file.verify());

    const auto other = files::write(folder / "other", "abc");
    const mapped_file growing(other);
    files::write(other, "abcdef");
    CHECK_NOTHROW(growing.verify());
}

TEST_CASE("a fault outside of mapped files goes to the handler that was there before")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "short", "x");
    const mapped_file installs_the_handler(path);

    const int handled = status_of_foreign_fault(path, [] {
        detail::previous_sigbus_action = {};
        detail::previous_sigbus_action.sa_handler = [](int) { ::_exit(42); };
    });
    CHECK(WIFEXITED(handled));
    CHECK(WEXITSTATUS(handled) == 42);

    const int handled_with_info = status_of_foreign_fault(path, [] {
        detail::previous_sigbus_action = {};
        detail::previous_sigbus_action.sa_flags = SA_SIGINFO;
        detail::previous_sigbus_action.sa_sigaction = [](int, siginfo_t* info, void*) {
            ::_exit(info->si_addr != nullptr ? 43 : 1);
        };
    });
    CHECK(WIFEXITED(handled_with_info));
    CHECK(WEXITSTATUS(handled_with_info) == 43);

    const int fatal = status_of_foreign_fault(path, [] { detail::previous_sigbus_action = {}; });
    CHECK(WIFSIGNALED(fatal));
    CHECK(WTERMSIG(fatal) == SIGBUS);
}

TEST_CASE("files beyond those that the handler looks after are read into memory")
{
    constexpr rlim_t wanted = 1200;
    rlimit limit = {};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_max < wanted) {
        WARN("skipped: this process may not open 1200 files");
        return;
    }
    const rlimit enough = {std::max(limit.rlim_cur, wanted), limit.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &enough) == 0);

    const files::temporary_folder folder;
    const auto path = files::write(folder / "model", std::string(10, '\1'));
    std::vector<std::unique_ptr<mapped_file>> opened;
    for (int i = 0; i < 1030; ++i)
        opened.push_back(std::make_unique<mapped_file>(path));
    CHECK(sum(*opened.front()) == 10);
    std::filesystem::resize_file(path, 1);
    CHECK_THROWS_AS(opened.front()->verify(), io_error);
    CHECK(sum(*opened.back()) == 10);
    CHECK_NOTHROW(opened.back()->verify());
    opened.clear();
    CHECK_THROWS_AS(
        [&] {
            const mapped_file guarded_again(files::write(folder / "other", "ab"));
            std::filesystem::resize_file(folder / "other", 1);
            guarded_again.verify();
        }(),
        io_error);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}
