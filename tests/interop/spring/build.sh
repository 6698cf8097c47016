# In a copy, so that the sources stay comparable.
cp -R source build
(cd build && mvn -q -B package)
mv build/target/server.jar .
rm -rf build
