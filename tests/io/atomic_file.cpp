#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weightscope/core/error.hpp>
#include <weightscope/io/atomic_file.hpp>

#include "../catch.hpp"
#include "files.hpp"

using namespace weightscope;
using files::message;
using names = std::vector<std::string>;

namespace {

// No file may grow beyond `bytes`: as if the disk were full.
class size_limit
{
public:
    explicit size_limit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN))
    {
        ::getrlimit(RLIMIT_FSIZE, &limit_);
        const rlimit small = {bytes, limit_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    size_limit(const size_limit&) = delete;
    size_limit& operator=(const size_limit&) = delete;
    ~size_limit()
    {
        ::setrlimit(RLIMIT_FSIZE, &limit_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    rlimit limit_ = {};
    void (*handler_)(int);
};

}  // namespace

TEST_CASE("an atomic file appears with its commit")
{
    const files::temporary_folder folder;
    const auto path = folder / "report.json";
    {
        atomic_file file(path);
        file.write("{");
        file.write("}");
        CHECK(!std::filesystem::exists(path));
        file.commit();
    }
    CHECK(files::content(path) == "{}");
    CHECK(folder.names() == names{"report.json"});
}

TEST_CASE("without a commit the target stays as it was and nothing is left behind")
{
    const files::temporary_folder folder;
    files::write(folder / "old", "old");
    {
        atomic_file replacing(folder / "old"), creating(folder / "new");
        replacing.write("new");
        creating.write("new");
    }
    CHECK(files::content(folder / "old") == "old");
    CHECK(folder.names() == names{"old"});
}

TEST_CASE("a commit replaces the file that was there")
{
    const files::temporary_folder folder;
    files::write(folder / "a", "something longer");
    atomic_file file(folder / "a");
    file.write("new");
    file.commit();
    CHECK(files::content(folder / "a") == "new");
    CHECK(folder.names() == names{"a"});
}

TEST_CASE("a relative path, a long name and a link are written to")
{
    const files::temporary_folder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    {
        atomic_file file("plain");
        file.write("x");
        file.commit();
    }
    std::filesystem::current_path(before);
    CHECK(files::content(folder / "plain") == "x");

    const auto longest = folder / std::string(255, 'n');
    {
        atomic_file file(longest);
        file.commit();
    }
    CHECK(std::filesystem::is_regular_file(longest));

    files::write(folder / "elsewhere/target", "old");
    std::filesystem::create_symlink("elsewhere/target", folder / "link");
    {
        atomic_file file(folder / "link");
        file.write("new");
        file.commit();
    }
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(files::content(folder / "elsewhere/target") == "new");
}

TEST_CASE("a device is written to, not replaced")
{
    {
        atomic_file file("/dev/null");
        file.write("x");
        file.commit();
    }
    CHECK(std::filesystem::is_character_file("/dev/null"));
}

TEST_CASE("a full disk is an error that names the target and leaves no trace")
{
    const files::temporary_folder folder;
    const auto path = files::write(folder / "report", "old");
    const std::string text = message<write_error>([&] {
        const size_limit full(4096);
        atomic_file file(path);
        file.write(std::string(100000, 'x'));
        file.commit();
    });
    CHECK(text == path.string() + ": cannot be written: File too large; raise the limit on the size of files: ulimit -f unlimited");
    const std::string buffered = message<write_error>([&] {
        const size_limit full(10);
        atomic_file file(path);
        file.write(std::string(100, 'x'));  // stays in the buffer until the commit
        file.commit();
    });
    CHECK(buffered == path.string() + ": cannot be written: File too large; raise the limit on the size of files: ulimit -f unlimited");
    CHECK(files::content(path) == "old");
    CHECK(folder.names() == names{"report"});

    if (std::filesystem::exists("/dev/full"))
        CHECK(message<write_error>([] {
                  atomic_file file("/dev/full");
                  file.write("x");
                  file.commit();
              })
              == "/dev/full: cannot be written: No space left on device; free some space or choose another disk");
}

TEST_CASE("a target that cannot be created is refused at once")
{
    const files::temporary_folder folder;
    const std::string f = folder.path().string();
    CHECK(message<write_error>([&] { atomic_file(folder.path()); }) == f + ": is a folder; name a file in it");
    CHECK(message<write_error>([&] { atomic_file(folder / "none/a"); })
          == f + "/none/a: cannot be written: No such file or directory; create its folder first");
    files::write(folder / "file", "x");
    CHECK(message<write_error>([&] { atomic_file(folder / "file/a"); })
          == f + "/file/a: cannot be written: Not a directory; a part of its path is a file");
    CHECK(folder.names() == names{"file"});
}

TEST_CASE("a folder that must not be written to is refused")
{
    const files::temporary_folder folder;
    REQUIRE(::chmod(folder.path().c_str(), 0555) == 0);
    const bool root = ::geteuid() == 0;
    if (root && ::seteuid(65534) != 0) {  // root may write everywhere
        WARN("skipped: cannot stop being root");
        return;
    }
    const std::string text = message<write_error>([&] { atomic_file(folder / "a"); });
    if (root)
        REQUIRE(::seteuid(0) == 0);
    CHECK(text
          == (folder / "a").string() + ": cannot be written: Permission denied; choose a folder that you may write to");
    ::chmod(folder.path().c_str(), 0755);
}

TEST_CASE("an atomic file is committed once")
{
    const files::temporary_folder folder;
    atomic_file file(folder / "a");
    file.commit();
    CHECK(message<std::invalid_argument>([&] { file.commit(); })
          == "weightscope::atomic_file::commit(): the file has been committed already");
    CHECK(message<std::invalid_argument>([&] { file.write("x"); })
          == "weightscope::atomic_file::write(bytes): the file has been committed; write before commit()");
}
